"""Framed records: every way to read them gives the same, or refuses by WireError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import polars as pl
from polars import selectors

import schemas
from shared import wire
from tests.fuzz.target import Target, check
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
    assert source is not None
    check(wire.source_bytes(int(source[0][0]), int(source[1][0])) == alone["source"], "another source")


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


TARGETS = {"wire": Target(lambda folder: read, seeds)}
