"""Framed records: every way to read them gives the same, or refuses by WireError."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from hypothesis import strategies as st
from polars import selectors

import schemas
from shared import wire
from shared.wire.growth import MOST_PARTITIONS
from tests.fuzz.target import Execution, Target, check, structured
from tests.unit.test_schemas import NAMES, NESTED, example

Read = TypeVar("Read")


STREAMS = [name for name, topic in schemas.toml("topics")["topics"].items() if topic.get("is_stream")]
LOOPED = (*STREAMS, "outcomes.terminal.v1")
"""What the run loop reads: of these it finds times and sources without decoding the rest."""


def read(value: bytes) -> None:
    """Read a framed record alone, as columns, and by its time and source."""
    name = _tried(wire.schema_name, value)
    if name is None:
        return
    alone = _tried(wire.decode, value)
    columns = _tried(_columns, value)
    if alone is not None and is_canonical(value, alone) and name != NESTED:
        check(columns is not None and _plain(columns) == _plain(alone), "columns hold something else")
    if name in LOOPED:
        _check_front(value, name, alone if alone is not None and is_canonical(value, alone) else None)


def _check_front(value: bytes, name: str, alone: dict[str, Any] | None) -> None:
    time = _tried(lambda each: int(wire.event_times(wire.join([each]))[0]), value)
    source = _tried(lambda each: wire.sources(wire.join([each])), value)
    if alone is None:
        return
    first = _time_field(name)
    check(first is not None and time == alone[first], "another time than the record's")
    if source is None:
        check(not _is_position(alone["source"]), "a source that can be is refused")
    else:
        check(wire.source_bytes(int(source[0][0]), int(source[1][0])) == alone["source"], "another source")


def _is_position(source: bytes) -> bool:
    partition, offset = struct.unpack(">iq", source)
    return 0 <= partition < MOST_PARTITIONS and offset >= 0


def is_canonical(value: bytes, record: dict[str, Any]) -> bool:
    """Return whether a record is written as fastavro writes it; it also reads numbers of over 64 bits."""
    return wire.encode(wire.schema_name(value), record) == value


def seeds() -> Iterator[bytes]:
    """Yield a record of each schema."""
    for name in NAMES:
        yield wire.encode(name, example(name))


def _tried(reader: Callable[[bytes], Read], value: bytes) -> Read | None:
    try:
        return reader(value)
    except wire.WireError:
        return None


def _columns(value: bytes) -> dict[str, Any] | None:
    if wire.schema_name(value) == NESTED:
        return None
    frame = wire.decode_columns([value])
    (row,) = frame.with_columns(selectors.datetime().cast(pl.Int64)).to_dicts()
    return dict(row)


def _time_field(name: str) -> str | None:
    kinds = {each["name"]: each["type"] for each in schemas.avro(name)["fields"]}
    times = (field for field, kind in kinds.items() if "timestamp-micros" in str(kind))
    return next(times, None)


def _plain(record: dict[str, Any]) -> str:
    return repr({name: _value(field) for name, field in record.items()})


def _value(field: Any) -> Any:
    if isinstance(field, list):
        return [_value(each) for each in field]
    if isinstance(field, float):
        return "nan" if field != field else float(np.float32(field))
    return field


_PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(1 << 31), (1 << 31) - 1),
    "long": st.integers(-(1 << 63), (1 << 63) - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.text(max_size=20),
    "bytes": st.binary(max_size=20),
}
_HEADER_BYTES = 5
_IDS = st.sampled_from(sorted(schemas.registry()["ids"].values())) | st.integers(0, (1 << 32) - 1)
_LENGTHS = st.binary(max_size=2) | st.sampled_from([b"\1", b"\xff" * 9 + b"\1", b"\xfe\xff\xff\xff\xff\x0f"])
"""What may stand in place of a length: bytes, -1, the lowest of all, 2^34 - 1."""


@st.composite
def framed_records(draw: st.DrawFn) -> bytes:
    """Records with a few fields changed within their types, some of them damaged afterwards."""
    name = draw(st.sampled_from(NAMES))
    fields, record = _FIELDS[name], dict(_EXAMPLES[name])
    for field in draw(st.lists(st.sampled_from(list(fields)), max_size=3, unique=True)):
        record[field] = draw(fields[field])
    value = wire.encode(name, record)
    match draw(st.sampled_from(["none", "schema", "length", "cut", "more"])):
        case "schema":
            return b"\0" + draw(_IDS).to_bytes(_HEADER_BYTES - 1, "big") + value[_HEADER_BYTES:]
        case "length":
            at = draw(st.integers(_HEADER_BYTES, len(value) - 1))
            return value[:at] + draw(_LENGTHS) + value[at + 1 :]
        case "cut":
            return value[: draw(st.integers(0, len(value)))]
        case "more":
            return value + draw(st.binary(min_size=1, max_size=20))
    return value


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, str):
        return _PLAIN[kind]
    if isinstance(kind, list):
        return st.one_of([_values(each) for each in kind])
    match kind["type"]:
        case "enum":
            return st.sampled_from(kind["symbols"])
        case "fixed":
            return st.binary(min_size=kind["size"], max_size=kind["size"])
        case "array":
            return st.lists(_values(kind["items"]), max_size=4)
        case "record":
            return st.fixed_dictionaries({each["name"]: _values(each["type"]) for each in kind["fields"]})
    return _values(kind["type"])


_EXAMPLES = {name: example(name) for name in NAMES}
_FIELDS = {
    name: {each["name"]: _values(each["type"]) for each in schemas.avro(name)["fields"]} for name in NAMES
}


def _structured(folder: Path) -> Execution:
    return structured(framed_records(), read)


TARGETS = {"wire": Target(lambda folder: read, seeds), "wire-structured": Target(_structured)}
