"""A record for any of our schemas, with a value in every field, optional ones included."""

from __future__ import annotations

from typing import Any

import schemas


def sample(name: str) -> dict[str, Any]:
    return {field["name"]: _value(field["type"], number) for number, field in enumerate(_fields(name))}


def _fields(name: str) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = schemas.avro(name)["fields"]
    return fields


def _value(kind: Any, number: int) -> Any:
    if isinstance(kind, list):
        return _value(kind[-1], number)
    if isinstance(kind, dict):
        return _complex(kind, number)
    simple = {
        "string": f"text {number}",
        "bytes": bytes([0, number]),
        "int": number,
        "long": 1_522_540_800_000_000 + number,
        "float": number + 0.5,
        "double": number + 0.25,
        "boolean": number % 2 == 0,
    }
    return simple[kind]


def _complex(kind: dict[str, Any], number: int) -> Any:
    match kind["type"]:
        case "fixed":
            return bytes(range(kind["size"]))
        case "enum":
            return kind["symbols"][-1]
        case "array":
            return [_value(kind["items"], number), _value(kind["items"], number + 1)]
        case "record":
            return {field["name"]: _value(field["type"], number) for field in kind["fields"]}
    return _value(kind["type"], number)
