"""What is fuzzed: a function of bytes that raises where something that must hold does not."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Execution = Callable[[bytes], object]
PLANTED = "planted"
"""A target with a fault, by which the tests show that faults are found."""
MODULES = {
    "payments": "ingesting",
    "labels": "ingesting",
    "payments-structured": "ingesting",
    "labels-structured": "ingesting",
    "wire": "framed",
    "wire-structured": "framed",
    "packages": "packages",
    "packages-structured": "packages",
    "settings": "configured",
    "settings-structured": "configured",
    PLANTED: "planted",
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
"""What JSON can hold."""
NAMES = [name for name in MODULES if name != PLANTED]


class Target(NamedTuple):
    """``start`` takes a folder for files; ``seeds`` are the inputs to start from."""

    start: Callable[[Path], Execution]
    seeds: Callable[[], Iterable[bytes]] = lambda: (b"\1" * 64,)


class Finding(Exception):
    """Something that must hold does not."""


def check(holds: bool, otherwise: str) -> None:
    """Raise Finding where something does not hold."""
    if not holds:
        raise Finding(otherwise)


def target(name: str) -> Target:
    """Return a target; only what it needs is imported."""
    found: Target = importlib.import_module(f"tests.fuzz.{MODULES[name]}").TARGETS[name]
    return found


def structured(strategy: st.SearchStrategy[Any], execute: Callable[[Any], object]) -> Execution:
    """Return the execution that makes bytes into an example of a Hypothesis strategy."""

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def test(example: Any) -> None:
        execute(example)

    return test.hypothesis.fuzz_one_input  # type: ignore[attr-defined, no-any-return]
