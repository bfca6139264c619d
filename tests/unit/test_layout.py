"""The layout that design.md lays down: who imports whom, how long things are, what a service folder holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("services", "shared", "deploy", "schemas")
CLIENTS = {"confluent_kafka", "redis", "fsspec", "duckdb", "httpx", "requests", "boto3", "socket", "faust"}
PURE_PACKAGES = ("shared.wire", "shared.features", "shared.policy", "shared.sketches")
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc"}
HEADINGS = ("consumes", "produces", "keeps", "on failure")
LONGEST_FUNCTION, LONGEST_MODULE, LONGEST_README = 30, 300, 40
SERVICES = ("alerts", "features", "ingest", "labels", "monitor", "replay", "scoring", "training")


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def pure_modules() -> set[str]:
    """Stages with what they import of their own service, and the pure packages of shared."""
    found = graph().modules
    pure = {name for name in found for package in PURE_PACKAGES if f"{name}.".startswith(f"{package}.")}
    waiting = [name for name in found if name.startswith("services.") and name.endswith(".stage")]
    while waiting:
        module = waiting.pop()
        service = module.rsplit(".", 1)[0]
        pure.add(module)
        imported = graph().find_modules_directly_imported_by(module)
        waiting += [name for name in imported - pure if name.startswith(f"{service}.")]
    return pure


def test_stages_and_pure_modules_import_no_client_library() -> None:
    offenders = [
        f"{module} imports {client}"
        for module in sorted(pure_modules())
        for client in sorted(graph().find_modules_directly_imported_by(module) & CLIENTS)
    ]
    assert offenders == []
    assert "services.features.stage" in pure_modules()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_no_other(service: str) -> None:
    below = {f"services.{service}", *graph().find_descendants(f"services.{service}")}
    imported = {found for module in below for found in graph().find_modules_directly_imported_by(module)}
    allowed = (f"services.{service}.", "shared.", "schemas.")
    ours = {name for name in imported if name.split(".")[0] in PACKAGES}
    assert [name for name in sorted(ours) if not f"{name}.".startswith(allowed)] == []


def test_shared_imports_no_service_and_schemas_nothing_of_ours() -> None:
    upwards = [
        (module, found)
        for module in graph().modules
        for found in graph().find_modules_directly_imported_by(module)
        if (module.startswith("shared") and found.startswith(("services", "deploy")))
        or (module.startswith("schemas") and found.startswith(PACKAGES[:3]))
    ]
    assert upwards == []


def test_no_module_has_a_vague_name() -> None:
    parts = {(path.relative_to(ROOT), part) for path in modules() for part in path.stem.split("_")}
    assert [str(path) for path, part in sorted(parts) if part in VAGUE] == []


def test_no_function_is_longer_than_thirty_lines() -> None:
    offenders = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)
                if length > LONGEST_FUNCTION:
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert offenders == []


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_consumes_produces_keeps_and_does_on_failure(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text()
    marked = {found.strip("#*.: ").lower() for found in re.findall(r"^#+ .+$|\*\*.+?\*\*", text, re.M)}
    assert [each for each in HEADINGS if each not in marked] == []
    assert len(text.splitlines()) <= LONGEST_README


def test_only_waiting_py_sleeps_in_tests() -> None:
    offenders = []
    commands = (ROOT / "tests" / "accuracy", ROOT / "tests" / "bench")  # these poll, as commands do
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name == "waiting.py" or path.parent in commands:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "sleep":
                offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert offenders == []


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (first.end_lineno or 0) - first.lineno + 1 if is_text and ast.get_docstring(node) else 0
