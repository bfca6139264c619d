"""Compare and append: an event counts when it is the first with its number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from shared.models.lifecycle import Standing, is_allowed, standing
from shared.models.records import ModelRecord

Decide = Callable[[Standing], ModelRecord | None]
"""Returns the event to append after what stands, not numbered; None for none."""


class EventLog(Protocol):
    """The topic of events, as far as appending needs it."""

    def catch_up(self) -> Iterable[ModelRecord]:
        """Return the records since the last call up to the end that the topic has now."""
        ...

    def write(self, record: ModelRecord) -> None:
        """Append a record; return once it is durable."""
        ...


class NotAllowed(Exception):
    """An event that the rules do not allow after what stands."""


def append(log: EventLog, stands: Standing, decide: Decide) -> tuple[Standing, ModelRecord | None]:
    """Append the event that ``decide`` wants; return what stands then, and the event.

    Where another writer was first with the number, ``decide`` is asked again about what stands then. So
    neither a crash nor a second writer loses or doubles an event. An equal record by another writer is
    the same event.

    Raises
    ------
    NotAllowed
        If what it wants may not follow on what stands.
    """
    while True:
        stands = standing(log.catch_up(), stands)
        decided = decide(stands)
        if decided is None:
            return stands, None
        if not is_allowed(stands, decided):
            raise NotAllowed(_sentence(stands, decided))
        wanted = msgspec.structs.replace(decided, sequence=stands.sequence + 1)
        log.write(wanted)
        read = list(log.catch_up())
        stands = standing(read, stands)
        if first(read, wanted.sequence) == wanted:
            return stands, wanted


def first(records: Iterable[ModelRecord], sequence: int) -> ModelRecord | None:
    """Return the first record with a number; None when there is none."""
    return next((record for record in records if record.sequence == sequence), None)


def _sentence(stands: Standing, wanted: ModelRecord) -> str:
    if not wanted.version:
        return f"the roll-out is {'already' if stands.is_frozen else 'not'} frozen"
    if wanted.status == "canary" and (canaries := stands.at("canary")):
        return f"{canaries[0].version} is the canary already"
    status = stands.status(wanted.version)
    if status is None:
        return f"there is no model version {wanted.version}; see `millrace models list`"
    if status == "champion" and wanted.status == "rolled_back":
        return "there is no champion before this one to roll back to"
    return f"version {wanted.version} is {status}: it cannot become {wanted.status}"
