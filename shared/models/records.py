"""Model versions with their status, and which of them act."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from shared import wire

TOPIC = "models.v1"

Status = Literal["candidate", "challenger", "champion", "retired", "refused"]


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record of models.v1: a version with its status."""

    version: str
    status: Status
    event_time: int
    who: str
    reason: str
    package: str
    """Path below ``model_url``."""
    sha256: str
    signature: bytes
    signer: str
    manifest: str

    @classmethod
    def from_bytes(cls, value: bytes) -> ModelRecord:
        """Return the record of a framed value; raises WireError."""
        return cls(**wire.decode(value, TOPIC))

    def to_bytes(self) -> bytes:
        """Return the record framed."""
        return wire.encode(TOPIC, msgspec.structs.asdict(self))


def newest(records: Iterable[ModelRecord]) -> dict[str, ModelRecord]:
    """Return the newest record of each version, versions whose record is older first.

    That is what compaction keeps, so the outcome does not depend on whether it ran.
    """
    standing: dict[str, ModelRecord] = {}
    for record in records:
        standing.pop(record.version, None)
        standing[record.version] = record
    return standing


def ranked(records: Iterable[ModelRecord], status: Status) -> list[ModelRecord]:
    """Return the versions that stand at a status, the one that came to it last first."""
    return [record for record in reversed(newest(records).values()) if record.status == status]


def acting(records: Iterable[ModelRecord]) -> tuple[ModelRecord | None, ModelRecord | None]:
    """Return champion and challenger: the last to come to that status and still to stand at it."""
    standing = list(newest(records).values())
    champions, challengers = ranked(standing, "champion"), ranked(standing, "challenger")
    return next(iter(champions), None), next(iter(challengers), None)
