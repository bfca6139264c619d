"""A stack of its own under load, with a reader beside it, in which faults happen and recovery is timed."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from services.cli.demo.story import await_quiet
from tests.faults.flow import Flow
from tests.faults.groups import Groups
from tests.faults.history import history
from tests.faults.models import publish_model
from tests.faults.reading import Reader, Reading, Sent
from tests.faults.verdict import Judge, reread
from tests.waiting import elapse, wait_for

SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "alerts", "labels")
BEHIND_SCORES = ("alerts", "labels")
GIVEN_UP_SECONDS = 150.0
SPARE = 3  # histories are so many times longer than asked for: load flows until the last fault is over


@dataclass(frozen=True, slots=True)
class Size:
    """How much flows: payments at least, entities, payments a second, and the seed of everything."""

    payments: int
    entities: int
    rate: float
    seed: int


@dataclass
class World:
    """Services under load, from the first fault to the last."""

    stack: Stack
    flow: Flow
    reader: Reader
    groups: Groups
    sent: dict[str, Sent]
    """All payments of the history by id, in the order in which they are sent."""
    draw: random.Random
    trials: list[dict[str, Any]] = field(default_factory=list)
    _names: list[str] = field(init=False)
    _scored: int = 0

    def __post_init__(self) -> None:
        self._names = list(self.sent)

    def trial(self, name: str, fault: Callable[[World], dict[str, Any]]) -> None:
        """Let a fault happen and keep what it says."""
        found = {"fault": name, **fault(self)}
        self.trials.append(found)
        print(f"faults: {found}", file=sys.stderr, flush=True)

    def recovery(self, since: float) -> float:
        """Return the seconds until all that was sent by now is scored, explained and joined."""
        goal = self.flow.payments
        wait_for(lambda: self._has_scored(goal), GIVEN_UP_SECONDS, "scores of all payments")
        ends = {group: self.groups.ends(group) for group in BEHIND_SCORES}
        for group, end in ends.items():
            self.await_commits(group, end)
        return round(time.monotonic() - since, 2)

    def await_commits(self, group: str, ends: dict[tuple[str, int], int]) -> None:
        """Return when a group has committed so far."""
        wait_for(lambda: self.groups.has_reached(group, ends), GIVEN_UP_SECONDS, f"commits of {group}")

    def pause(self, least: float, most: float) -> None:
        """Let a random time go by: when a fault comes is part of it."""
        elapse(self.draw.uniform(least, most))

    def _has_scored(self, goal: int) -> bool:
        while self._scored < goal and self.reader.has("scores.v1", self._names[self._scored]):
            self._scored += 1
        return self._scored >= goal


@contextmanager
def running(folder: Path, size: Size) -> Iterator[World]:
    """Run a stack under load; the load goes on until the caller ends it."""
    records = history(size.payments * SPARE, size.entities, size.seed)
    payments = [each for each in records if each.is_payment]
    sent = {each.name: Sent(number, each.key) for number, each in enumerate(payments)}
    with Stack(folder / "stack", SERVICES) as stack:
        publish_model(stack.settings)
        reader = Reader(stack.settings, sent)
        flow, groups = Flow(stack.settings, records, size.rate), Groups(stack.settings)
        reader.start()
        flow.start()
        world = World(stack, flow, reader, groups, sent, random.Random(size.seed))
        world.recovery(time.monotonic())  # models are loaded and all is compiled before the first fault
        yield world
        groups.close()


def judged(world: World, folder: Path, payments: int) -> dict[str, Any]:
    """End the load once enough was sent; return the verdict, for a reader during the faults and one after."""
    wait_for(lambda: world.flow.payments >= payments, 3600, f"{payments} payments sent")
    world.flow.finish()
    await_quiet(world.stack.settings)
    world.recovery(time.monotonic())
    world.reader.stop()
    world.stack.supervisor.stop()
    settings = world.stack.settings
    judge = Judge.of(settings, folder / "single")
    after = reread(settings, world.sent)
    return {
        "payments": world.flow.payments,
        "reader_during": judge.stream(world.reader.readings),
        "reader_after": judge.stream(after),
        "facts": judge.facts(),
        "repeats_skipped": _repeats(after),
    }


def _repeats(readings: dict[str, Reading]) -> dict[str, int]:
    return {name: reading.repeats for name, reading in readings.items()}
