"""Avro from outside: flat records of known schemas, every length checked before it is believed."""

from __future__ import annotations

from typing import Any

import schemas
from services.ingest.reasons import InvalidMessage, Reason
from shared.wire import WireError, schema_name

BODY_AT = 5
LONG_BYTES = 10
TEXT, LONG, OPTIONAL_TEXT = "text", "long", "optional text"


class StrictReader:
    """Reads framed records of one flat schema into their fields."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fields = [(field["name"], _kind(field["type"])) for field in schemas.avro(name)["fields"]]

    def read(self, value: bytes) -> dict[str, Any]:
        """Return the fields of one record that fills the bytes exactly; times are int microseconds.

        Raises
        ------
        InvalidMessage
            With reason ``unknown_schema``, ``unparsable`` or ``trailing_bytes``.
        """
        self._check_schema(value)
        record: dict[str, Any] = {}
        at = BODY_AT
        for name, kind in self._fields:
            if kind == LONG:
                record[name], at = _long(value, at)
                continue
            branch = 1
            if kind == OPTIONAL_TEXT:
                branch, at = _long(value, at)
            if branch not in (0, 1):
                raise InvalidMessage(Reason.UNPARSABLE, f"{name} has a branch that the schema does not know")
            record[name] = None
            if branch:
                record[name], at = _text(value, at)
        if at != len(value):
            raise InvalidMessage(Reason.TRAILING_BYTES, f"{len(value) - at} bytes follow the record")
        return record

    def _check_schema(self, value: bytes) -> None:
        if len(value) < BODY_AT:
            raise InvalidMessage(Reason.UNPARSABLE, "the bytes end within the schema id")
        try:
            found = schema_name(value)
        except WireError:
            found = None
        if found != self._name:
            raise InvalidMessage(Reason.UNKNOWN_SCHEMA, f"the schema id is not that of {self._name}")


def _kind(schema: Any) -> str:
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "string":
        return TEXT
    if kind == "long":
        return LONG
    if kind == ["null", "string"]:
        return OPTIONAL_TEXT
    raise TypeError(f"a raw schema is flat, of strings and longs; {schema} is not")


def _long(value: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place, byte in enumerate(value[at : at + LONG_BYTES]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if number >> 64:
                break
            return (number >> 1) ^ -(number & 1), at + place + 1
    raise InvalidMessage(Reason.UNPARSABLE, "the bytes end within a number, or it has more than 64 bits")


def _text(value: bytes, at: int) -> tuple[str, int]:
    length, at = _long(value, at)
    if not 0 <= length <= len(value) - at:
        raise InvalidMessage(Reason.UNPARSABLE, "a text is longer than the bytes that are left")
    try:
        return value[at : at + length].decode(), at + length
    except UnicodeDecodeError as error:
        raise InvalidMessage(Reason.UNPARSABLE, "a text is not UTF-8") from error
