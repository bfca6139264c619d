"""In what two model versions differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from services.training.card.parts import CONFIG, FIGURES, VERDICTS
from shared.models import Manifest

LEFT_OUT = ("histograms", "parts", "version")
FEATURE_FIGURES = ("shapley", "permutation")


def differences(
    one: tuple[Manifest, Mapping[str, bytes]], other: tuple[Manifest, Mapping[str, bytes]]
) -> list[dict[str, Any]]:
    """Return what differs between two packages, a row a thing; None where it is absent."""
    first, second = dict(_told(*one)), dict(_told(*other))
    names = [*first, *(name for name in second if name not in first)]
    left, right = one[0].version, other[0].version
    return [
        {"what": name, left: first.get(name), right: second.get(name)}
        for name in names
        if first.get(name) != second.get(name)
    ]


def _told(manifest: Manifest, parts: Mapping[str, bytes]) -> Iterator[tuple[str, Any]]:
    content = json.loads(manifest.to_bytes())
    yield from _flat("", {name: value for name, value in content.items() if name not in LEFT_OUT})
    yield from _flat("config", json.loads(parts.get(CONFIG, b"{}")))
    for verdict in json.loads(parts.get(VERDICTS, b"[]")):
        yield f"gate.{verdict['gate']}", verdict["outcome"]
    figures = json.loads(parts.get(FIGURES, b"{}"))
    yield from _flat("trial", figures.get("trial", {}))
    for feature in figures.get("features", []):
        for figure in FEATURE_FIGURES:
            yield f"{figure}.{feature['name']}", feature[figure]


def _flat(name: str, content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _flat(f"{name}.{key}" if name else key, value)
    else:
        yield name, content
