"""The contracts as data: topics, record schemas and their ids, features, policy, rates."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def toml(name: str) -> dict[str, Any]:
    """Return the content of ``schemas/<name>.toml``."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


@cache
def avro(name: str) -> dict[str, Any]:
    """Return the Avro schema ``schemas/<name>.avsc`` as JSON."""
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.avsc").read_text())
    return schema


@cache
def registry() -> dict[str, Any]:
    """Return ``schemas/registry.json``: ids by schema name, output schema by input schema."""
    content: dict[str, Any] = json.loads((FOLDER / "registry.json").read_text())
    return content


@cache
def streams() -> frozenset[str]:
    """Return the topics whose records begin with ``source``."""
    return frozenset(name for name, topic in toml("topics")["topics"].items() if topic.get("is_stream"))


@cache
def partition_count(topic: str) -> int:
    """Return the number of partitions of a topic, by its name without prefix."""
    topics = toml("topics")
    return int(topics["topics"][topic].get("partitions", topics["defaults"]["partitions"]))


def symbols(name: str, field: str) -> list[str]:
    """Return the symbols of an enum field of a schema; a value's number is its place among them."""
    declared = {each["name"]: each["type"] for each in avro(name)["fields"]}
    found: list[str] = declared[field]["symbols"]
    return found
