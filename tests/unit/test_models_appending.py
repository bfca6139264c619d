"""Compare and append: crashes, late records and a second writer neither lose nor double an event."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models import ModelRecord, NotAllowed, events, standing
from shared.models.appending import append
from shared.models.lifecycle import Standing
from tests.unit.model_packages import Numbering, moved, package, record

PLAN = [
    record(package(), version="a"),
    moved("a", "champion"),
    record(package(), version="b"),
    moved("b", "shadow"),
    moved("", "frozen"),
    moved("", "thawed"),
    moved("b", "canary"),
    moved("b", "champion"),
    moved("b", "rolled_back"),
]


class Crash(Exception):
    """The process ends."""


class Topic:
    """The topic, which writes what it is sent now or once some more records have come."""

    def __init__(self) -> None:
        self.records: list[ModelRecord] = []
        self._late: list[tuple[int, ModelRecord]] = []

    def add(self, made: ModelRecord) -> None:
        self.records.append(made)
        due = [each for at, each in self._late if at <= len(self.records)]
        self._late = [(at, each) for at, each in self._late if at > len(self.records)]
        self.records += due

    def add_late(self, made: ModelRecord, after: int) -> None:
        self._late.append((len(self.records) + after, made))


class Writer:
    """A process: reads the topic from its start, and what befalls it at a write is drawn."""

    def __init__(self, topic: Topic, fate: Callable[[], str]) -> None:
        self._topic, self._fate, self._read = topic, fate, 0

    def catch_up(self) -> list[ModelRecord]:
        found = self._topic.records[self._read :]
        self._read = len(self._topic.records)
        return found

    def write(self, made: ModelRecord) -> None:
        match self._fate():
            case "crash before":
                raise Crash
            case "crash after":
                self._topic.add(made)
                raise Crash
            case "crash, the record comes late":
                self._topic.add_late(made, 2)
                raise Crash
            case "another was first":
                follow_plan(Writer(self._topic, lambda: "well"), 1)
        self._topic.add(made)


FATES = ["well", "crash before", "crash after", "crash, the record comes late", "another was first"]


def next_of_plan(stands: Standing) -> ModelRecord | None:
    return PLAN[stands.sequence] if stands.sequence < len(PLAN) else None


def follow_plan(writer: Writer, steps: int) -> None:
    stands = Standing()
    for _ in range(steps):
        stands, _ = append(writer, stands, next_of_plan)


@given(st.lists(st.sampled_from(FATES), max_size=25))
def test_the_log_is_the_plan_whatever_befalls_its_writers(fates: list[str]) -> None:
    topic, left = Topic(), list(fates)
    while len(events(topic.records)) < len(PLAN):
        try:
            follow_plan(Writer(topic, lambda: left.pop() if left else "well"), len(PLAN))
        except Crash:
            continue
    number = Numbering()
    assert events(topic.records) == [number(each) for each in PLAN]


def test_frozen_in_between_nothing_moves() -> None:
    topic = Topic()
    follow_plan(Writer(topic, lambda: "well"), 4)

    def unless_frozen(stands: Standing) -> ModelRecord | None:
        return None if stands.is_frozen else moved("b", "canary")

    stands, appended = append(Writer(topic, lambda: "another was first"), Standing(), unless_frozen)
    assert (appended, stands.is_frozen, stands.status("b")) == (None, True, "shadow")


def test_what_the_rules_do_not_allow_is_not_written() -> None:
    topic = Topic()
    for move, says in (
        (moved("x", "champion"), "no model version x"),
        (moved("", "thawed"), "not frozen"),
    ):
        with pytest.raises(NotAllowed, match=says):
            append(Writer(topic, lambda: "well"), Standing(), lambda stands, move=move: move)
    assert standing(topic.records).sequence == 0
