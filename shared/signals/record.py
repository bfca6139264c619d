"""One signal: a record of monitoring.v1."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared import wire

TOPIC = "monitoring.v1"

Severity = Literal["info", "warning", "alarm"]


class Signal(msgspec.Struct, frozen=True):
    """A signal; ``event_time`` is the newest event time known when it was said."""

    signal: str
    event_time: int
    severity: Severity
    service: str
    model_version: str | None = None
    value: float | None = None
    limit: float | None = None
    detail: str = ""
    since: int | None = None
    until: int | None = None
    count: int | None = None
    is_mature: bool | None = None

    @classmethod
    def from_bytes(cls, value: bytes) -> Signal:
        """Return the signal of a framed value; raises WireError."""
        return cls(**wire.decode(value, TOPIC))

    def to_bytes(self) -> bytes:
        """Return the record framed."""
        return wire.encode(TOPIC, msgspec.structs.asdict(self))
