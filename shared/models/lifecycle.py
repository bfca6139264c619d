"""The life of model versions: which moves there are, and what stands after a log of events.

A promotion is one event: the champion before it becomes its shadow. So is taking a champion back: the
one before it is champion again. Whatever prefix of the log is read, there is at most one champion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from shared.models.records import ModelRecord, Status, Switch

MOVES: Mapping[Status | None, frozenset[Status]] = {
    None: frozenset(("published",)),
    "published": frozenset(("shadow", "champion", "retired", "rejected")),
    "shadow": frozenset(("canary", "champion", "retired", "rejected")),
    "canary": frozenset(("champion", "rolled_back")),
    "champion": frozenset(("rolled_back",)),
    "retired": frozenset(("champion",)),
    "rejected": frozenset(),
    "rolled_back": frozenset(),
}
"""Statuses to which an event may bring a version, by the one it has; None where it is not known."""

ENDS: frozenset[Status] = frozenset(status for status, moves in MOVES.items() if status and not moves)
SWITCHES: frozenset[str] = frozenset(get_args(Switch))


@dataclass(frozen=True, slots=True)
class Move:
    """A change that somebody wants, with the figures that speak for it."""

    version: str
    status: Status | Switch
    reason: str
    numbers: Mapping[str, object] = field(default_factory=dict)

    def record(self, who: str, event_time: int) -> ModelRecord:
        """Return the move as an event that is not numbered yet."""
        numbers = json.dumps(self.numbers, sort_keys=True)
        return ModelRecord(
            version=self.version,
            status=self.status,
            event_time=event_time,
            who=who,
            reason=self.reason,
            numbers=numbers,
        )


@dataclass(frozen=True, slots=True)
class VersionStanding:
    """Where a version stands."""

    status: Status
    since: int
    """Event time at which it came to its status, microseconds."""
    published: ModelRecord
    """The event that tells of its package."""
    newest: ModelRecord
    """The event that brought it here."""

    @property
    def version(self) -> str:
        """The version."""
        return self.published.version


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands after a log of events."""

    sequence: int = 0
    """Number of the newest event."""
    event_time: int = 0
    """The latest of the events, microseconds: event time as far as models know it."""
    versions: Mapping[str, VersionStanding] = field(default_factory=dict)
    """By version, in the order of publication."""
    line: tuple[str, ...] = ()
    """Champions that did not end badly, the present one last: each would follow if those after it went."""
    is_frozen: bool = False

    def status(self, version: str) -> Status | None:
        """Return a version's status; None when it was never published."""
        found = self.versions.get(version)
        return found.status if found else None

    def at(self, status: Status) -> list[VersionStanding]:
        """Return the versions at a status, the one that came to it last first."""
        found = [each for each in self.versions.values() if each.status == status]
        return sorted(found, key=lambda each: each.newest.sequence, reverse=True)

    @property
    def champion(self) -> VersionStanding | None:
        """The version that acts."""
        return self.versions[self.line[-1]] if self.line else None

    @property
    def predecessor(self) -> VersionStanding | None:
        """The version that acts again if the champion is taken back."""
        return self.versions[self.line[-2]] if len(self.line) > 1 else None

    @property
    def is_on_probation(self) -> bool:
        """Whether the champion's predecessor still scores beside it."""
        return self.predecessor is not None and self.predecessor.status == "shadow"

    @property
    def challenger(self) -> VersionStanding | None:
        """The version that scores beside the champion: the canary, a predecessor, the newest shadow."""
        canaries = self.at("canary")
        if canaries:
            return canaries[0]
        return self.predecessor if self.is_on_probation else next(iter(self.at("shadow")), None)


def standing(records: Iterable[ModelRecord], after: Standing | None = None) -> Standing:
    """Return what stands after records in the order of the topic; ``after``: what stood before them."""
    found = after or Standing()
    for record in records:
        found = applied(found, record)
    return found


def events(records: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Return the records that count: the first of each number, if the rules allow it."""
    found, stands = [], Standing()
    for record in records:
        if record.sequence == stands.sequence + 1 and is_allowed(stands, record):
            found.append(record)
        stands = applied(stands, record)
    return found


def is_allowed(stands: Standing, move: Move | ModelRecord) -> bool:
    """Tell whether an event may follow on what stands."""
    if move.status in SWITCHES:
        return move.version == "" and stands.is_frozen is (move.status == "thawed")
    status = stands.status(move.version)
    if move.status not in MOVES[status] or not move.version:
        return False
    if move.status == "canary":
        return not stands.at("canary") and stands.champion is not None and move.version not in stands.line
    return status != "champion" or stands.predecessor is not None


def applied(stands: Standing, record: ModelRecord) -> Standing:
    """Return what stands after one more record.

    A record whose number is not the next one is no event. An event that the rules do not allow has its
    number and changes nothing else.
    """
    if record.sequence != stands.sequence + 1:
        return stands
    if not is_allowed(stands, record):
        return replace(stands, sequence=record.sequence)
    time = max(stands.event_time, record.event_time)
    told = replace(stands, sequence=record.sequence, event_time=time)
    match record.status:
        case "frozen" | "thawed":
            return replace(told, is_frozen=record.status == "frozen")
        case "published":
            made = VersionStanding("published", record.event_time, record, record)
            return replace(told, versions={**stands.versions, record.version: made})
        case "champion":
            return _promoted(told, record)
        case "rolled_back" if stands.line[-1:] == (record.version,):
            return _taken_back(told, record)
        case status:
            return _ended(_changed(told, record, {record.version: status}))


def _promoted(stands: Standing, record: ModelRecord) -> Standing:
    line = (*(each for each in stands.line if each != record.version), record.version)
    changes: dict[str, Status] = {record.version: "champion"}
    if stands.champion is not None:
        changes |= {each: "retired" for each in line[:-1] if stands.status(each) == "shadow"}
        changes[stands.champion.version] = "shadow"
    return replace(_changed(stands, record, changes), line=line)


def _taken_back(stands: Standing, record: ModelRecord) -> Standing:
    line = stands.line[:-1]
    return replace(_changed(stands, record, {record.version: "rolled_back", line[-1]: "champion"}), line=line)


def _changed(stands: Standing, record: ModelRecord, changes: Mapping[str, Status]) -> Standing:
    found = dict(stands.versions)
    for version, status in changes.items():
        found[version] = replace(found[version], status=status, since=record.event_time, newest=record)
    return replace(stands, versions=found)


def _ended(stands: Standing) -> Standing:
    return replace(stands, line=tuple(each for each in stands.line if stands.status(each) not in ENDS))
