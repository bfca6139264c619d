"""The Confluent frame: a zero byte, the schema id in four bytes, the Avro body."""

from __future__ import annotations

import struct

import schemas

HEADER_BYTES = 5
SOURCE_BYTES = 12

_ids: dict[str, int] = dict(schemas.registry()["ids"])
_names: dict[int, str] = {number: name for name, number in _ids.items()}


class WireError(Exception):
    """Bytes that are not a record of one of our schemas."""


def schema_id(name: str) -> int:
    """Return the id under which a schema's records are framed."""
    return _ids[name]


def schema_name(value: bytes) -> str:
    """Return the name of the schema of a framed record.

    Raises
    ------
    WireError
        If the bytes carry no frame, or the id of no schema of ours.
    """
    if len(value) < HEADER_BYTES or value[0] != 0:
        raise WireError("not a Confluent frame: it begins with a zero byte and a schema id")
    number = int.from_bytes(value[1:HEADER_BYTES], "big")
    if number not in _names:
        raise WireError(f"schema id {number} is not one of ours")
    return _names[number]


def header(name: str) -> bytes:
    """Return the frame that stands before a record of the schema."""
    return struct.pack(">bI", 0, _ids[name])
