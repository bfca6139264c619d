"""What a model package says of its model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Kind = Literal["trees", "linear", "blend", "river"]
PartName = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+\.(json|txt|md|html)$")]
"""A plain file name: a package is unpacked into folders."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of ``manifest.json``."""

    format: Literal[1] = 1
    version: str
    kind: Kind
    family: str
    """The recipe by which it was fitted."""
    created_at: int
    """Event time of the newest training row, microseconds UTC."""
    as_of: int | None = None
    """Event time by which the labels had counted, microseconds; None where it was trained by hand."""
    features: list[str]
    features_version: int
    medians: list[float | None]
    """Typical value of each feature in training; None where it is mostly undefined."""
    histograms: dict[str, list[int]]
    """Training values of each feature counted by the bins of `shared.features`, the undefined last."""
    genuine_rate: float
    """Share of the genuine payments that was kept for training; the prior is corrected by it."""
    rows: int
    frauds: int
    training_set: str
    """SHA-256 of the rows that it was fitted to."""
    metrics: dict[str, float | None]
    """In time order: the same recipe fitted to earlier days, tried after the label delay."""
    libraries: dict[str, str]
    author: str
    parts: dict[PartName, str] = {}
    """SHA-256 of what else the package holds, by name: what the signature covers is listed here."""

    def to_bytes(self) -> bytes:
        """Return the manifest as JSON, the same bytes for the same content."""
        return msgspec.json.encode(self, order="deterministic")
