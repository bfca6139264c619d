"""Events in the life of a model version, as models.v1 holds them."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared import wire

TOPIC = "models.v1"

Status = Literal["published", "shadow", "canary", "champion", "retired", "rejected", "rolled_back"]
Switch = Literal["frozen", "thawed"]
"""Events of no version: from ``frozen`` to ``thawed`` nothing moves by itself."""


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event: a version comes to a status, or the roll-out is frozen or thawed.

    The fields of the package are those of the event ``published``; others leave them empty.
    """

    sequence: int = 0
    """1, 2, 3, ...: of several records with one number the first in the topic is the event; 0 outside it."""
    version: str
    """Empty where the roll-out is frozen or thawed."""
    status: Status | Switch
    event_time: int
    who: str
    reason: str
    numbers: str = "{}"
    """JSON object: the figures by which it was decided."""
    package: str = ""
    """Path below ``model_url``."""
    sha256: str = ""
    signature: bytes = b""
    signer: str = ""
    manifest: str = ""

    @classmethod
    def from_bytes(cls, value: bytes) -> ModelRecord:
        """Return the record of a framed value; raises WireError."""
        return cls(**wire.decode(value, TOPIC))

    def to_bytes(self) -> bytes:
        """Return the record framed."""
        return wire.encode(TOPIC, msgspec.structs.asdict(self))
