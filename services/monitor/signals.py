"""What the monitor says: records of monitoring.v1."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared import wire

TOPIC = "monitoring.v1"
SERVICE = "monitor"

Severity = Literal["info", "warning", "alarm"]


class Window(msgspec.Struct, frozen=True):
    """Event time [since, until), microseconds, and the payments that were looked at."""

    since: int
    until: int
    count: int


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A record of monitoring.v1; ``event_time`` is the newest event time known when it was said."""

    signal: str
    event_time: int
    detail: str
    severity: Severity = "info"
    service: str = SERVICE
    model_version: str | None = None
    value: float | None = None
    limit: float | None = None
    since: int | None = None
    until: int | None = None
    count: int | None = None
    is_mature: bool | None = None

    def to_bytes(self) -> bytes:
        """Return the record framed."""
        return wire.encode(TOPIC, msgspec.structs.asdict(self))
