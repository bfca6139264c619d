"""The contracts check themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

import schemas
from shared import wire

NAMES = sorted(schemas.registry()["ids"])
GROWTH = ("transactions.v1", "features.customer.v1", "features.terminal.v1", "scores.v1", "examples.v1")
RAW = ("transactions.raw.v1", "labels.raw.v1")
NESTED = "alerts.v1"  # its reasons are records: it is read by people's programs, never as columns


def fields(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = schemas.avro(name)["fields"]
    return found


def branches(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def is_binary(kind: Any) -> bool:
    return any(
        each == "bytes" or (isinstance(each, dict) and each["type"] == "fixed") for each in branches(kind)
    )


def example(name: str) -> dict[str, Any]:
    """An example as a record: bytes are written as hexadecimal digits in the files."""
    content = json.loads((schemas.FOLDER / "examples" / f"{name}.json").read_text())
    binary = {field["name"] for field in fields(name) if is_binary(field["type"])}
    return {key: bytes.fromhex(value) if key in binary else value for key, value in content.items()}


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_has_an_example_that_comes_back_as_it_was(name: str) -> None:
    assert wire.decode(wire.encode(name, example(name)), name) == example(name)
    assert set(example(name)) == {field["name"] for field in fields(name)}


def test_each_schema_has_one_id_and_each_file_an_id() -> None:
    ids = schemas.registry()["ids"]
    assert len(set(ids.values())) == len(ids)
    assert {file.name.removesuffix(".avsc") for file in schemas.FOLDER.glob("*.avsc")} == set(ids)


def test_each_topic_names_schemas_that_exist_and_services_that_read_and_write_it() -> None:
    for name, topic in schemas.toml("topics")["topics"].items():
        assert set(topic["schemas"]) <= set(NAMES), name
        assert topic["made_by"], name
        assert topic["read_by"], name


def test_streams_begin_with_a_source_of_twelve_bytes() -> None:
    for name, topic in schemas.toml("topics")["topics"].items():
        if topic.get("is_stream"):
            first = fields(name)[0]
            assert (first["name"], first["type"]["type"], first["type"]["size"]) == ("source", "fixed", 12)


@pytest.mark.parametrize(("before", "after"), list(pairwise(GROWTH)))
def test_a_record_grows_at_its_end_only(before: str, after: str) -> None:
    body, grown = fields(before)[1:], fields(after)[1:]
    for old, new in zip(body, grown, strict=False):
        assert old["name"] == new["name"]
        assert plain(old["type"]) == plain(new["type"])
    assert len(grown) > len(body)


def plain(kind: Any) -> Any:
    """A type without the names of its enums and fixed: these differ from record to record."""
    if isinstance(kind, Mapping):
        return {key: plain(value) for key, value in kind.items() if key not in ("name", "doc")}
    return [plain(each) for each in kind] if isinstance(kind, list) else kind


@pytest.mark.parametrize("name", [name for name in NAMES if name not in RAW and name != NESTED])
def test_internal_schemas_are_flat_for_reading_as_columns(name: str) -> None:
    for field in fields(name):
        for kind in branches(field["type"]):
            base = kind["type"] if isinstance(kind, dict) else kind
            assert base not in ("map", "record"), field["name"]
            assert not (base == "enum" and isinstance(field["type"], list)), field["name"]


@pytest.mark.parametrize("name", RAW)
def test_raw_schemas_hold_texts_and_longs_only(name: str) -> None:
    for field in fields(name):
        bases = [kind["type"] if isinstance(kind, dict) else kind for kind in branches(field["type"])]
        assert set(bases) <= {"null", "string", "long"}, field["name"]


def test_optional_fields_have_the_default_null() -> None:
    for name in NAMES:
        for field in fields(name):
            if isinstance(field["type"], list):
                assert field["type"][0] == "null", (name, field["name"])
                assert field["default"] is None, (name, field["name"])
