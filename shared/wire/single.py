"""One record at a time, for topics of a few records a second."""

from __future__ import annotations

import io
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import fastavro

import schemas
from shared.wire.framing import HEADER_BYTES, WireError, header, schema_name

LEAST_INT = -(1 << 31)
INTS = ("int", {"type": "array", "items": "int"})


def encode(name: str, record: Mapping[str, Any]) -> bytes:
    """Return a record framed; times are int microseconds.

    Raises
    ------
    WireError
        If the record does not fit the schema; a field that the schema does not know counts as that.
    """
    body = io.BytesIO(header(name))
    body.seek(HEADER_BYTES)
    try:
        _check_ints(name, record)
        fastavro.schemaless_writer(body, _plain_schema(name), dict(record), strict_allow_default=True)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise WireError(f"not a record of {name}: {error}") from error
    return body.getvalue()


def decode(value: bytes, name: str | None = None) -> dict[str, Any]:
    """Return a framed record of one of our own schemas; times are int microseconds.

    Raises
    ------
    WireError
        If the bytes are not one whole record of the schema ``name`` (of any of ours when None).
    """
    found = schema_name(value)
    if name is not None and found != name:
        raise WireError(f"a record of {found} where {name} was due")
    body = io.BytesIO(value)
    body.seek(HEADER_BYTES)
    try:
        record: dict[str, Any] = fastavro.schemaless_reader(body, _plain_schema(found), None)  # type: ignore[assignment]
        _check_ints(found, record)
    except (EOFError, ValueError, IndexError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise WireError(f"not a record of {found}: {error}") from error
    if body.tell() != len(value):
        raise WireError(f"{len(value) - body.tell()} bytes follow a record of {found}")
    return record


def _check_ints(name: str, record: Mapping[str, Any]) -> None:
    # fastavro writes and reads an int of any size; other readers keep its lowest 32 bits.
    for field in _ints(name):
        found = record.get(field)
        for number in found if isinstance(found, list) else [found]:
            if isinstance(number, int) and not LEAST_INT <= number < -LEAST_INT:
                raise OverflowError(f"{field} is no int of 32 bits")


@cache
def _ints(name: str) -> tuple[str, ...]:
    return tuple(field["name"] for field in schemas.avro(name)["fields"] if field["type"] in INTS)


@cache
def _plain_schema(name: str) -> Any:
    schema = deepcopy(schemas.avro(name))
    for field in schema["fields"]:
        for kind in field["type"] if isinstance(field["type"], list) else [field["type"]]:
            if isinstance(kind, dict):
                kind.pop("logicalType", None)
    return fastavro.parse_schema(schema)
