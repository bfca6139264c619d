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

from deploy.local import processes
from deploy.local.stack import Stack
from services.cli.demo.story import await_quiet
from services.cli.run import SERVICES as COMMANDS
from shared.settings import Settings
from tests.bench.world import environment
from tests.faults.flow import Flow
from tests.faults.groups import Groups
from tests.faults.history import history
from tests.faults.models import publish_model
from tests.faults.proxy import ProxiedKafka, Proxy
from tests.faults.reading import Reader, Reading, Sent
from tests.faults.verdict import Judge, reread
from tests.waiting import elapse, wait_for

SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "alerts", "labels")
BEHIND_SCORES = ("alerts", "labels")
GIVEN_UP_SECONDS = 150.0
SEND_SECONDS = 3600.0
LEAST_SECONDS = 12.0
TRIAL_SECONDS, LONGEST_SECONDS = 30.0, 180.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much flows: payments at least, entities, payments a second; the seed of everything.

    ``share`` says how long the faults last that last long in a whole run, ``trials`` how many faults the
    load must outlast.
    """

    payments: int
    entities: int
    rate: float
    seed: int
    share: float = 1.0
    trials: int = 1

    @property
    def most_payments(self) -> int:
        """How many payments are at hand."""
        return self.payments + round(self.rate * (self.trials * TRIAL_SECONDS + LONGEST_SECONDS))


@dataclass
class World:
    """Services under load, from the first fault to the last."""

    size: Size
    stack: Stack
    settings: Settings
    """Those of the services, but for the way to the broker: past the proxy."""
    proxy: Proxy
    flow: Flow
    reader: Reader
    groups: Groups
    sent: dict[str, Sent]
    """All payments of the history by id, in the order in which they are sent."""
    draw: random.Random = field(init=False)
    trials: list[dict[str, Any]] = field(default_factory=list)
    last_log: Path = Path()
    """Of the instance that was started last."""
    _turn: int = 0
    _names: list[str] = field(init=False)
    _scored: int = 0

    def __post_init__(self) -> None:
        self._names = list(self.sent)
        self.draw = random.Random(self.size.seed)

    def trial(self, name: str, fault: Callable[[World], dict[str, Any]]) -> None:
        """Let a fault happen and keep what it says."""
        found = {"fault": name, **fault(self)}
        assert not self.flow.is_over, "the load ended before the faults did"
        self.trials.append(found)
        print(f"faults: {found}", file=sys.stderr, flush=True)

    def recovery(self, since: float) -> float:
        """Return the seconds until all that was sent by now, and one more, is scored, explained and joined.

        One more: the load may be held at this moment because a service is far behind.
        """
        goal = self.flow.payments + (not self.flow.is_over)
        wait_for(lambda: self._has_scored(goal), GIVEN_UP_SECONDS, "scores of all payments")
        ends = {group: self.groups.ends(group) for group in BEHIND_SCORES}
        for group, end in ends.items():
            self.await_commits(group, end)
        return round(time.monotonic() - since, 2)

    def kill(self, service: str) -> float:
        """End a service as a crash would; return when, by the monotonic clock."""
        wait_for(lambda: self.stack.supervisor.pid(service), what=f"a process of {service}")
        self.stack.supervisor.kill(service)
        return time.monotonic()

    def instance(self, service: str, number: int) -> processes.Child:
        """Start one more instance of a service, with state of its own but the same checkpoints."""
        settings = self.stack.settings
        folder = self.stack.folder / f"more-{len(self.trials)}-{number}"
        changes = {"instance": number, "state_folder": folder, "state_url": settings.checkpoint_url}
        own = environment(settings.model_copy(update=changes))
        command = [sys.executable, "-m", *COMMANDS[service]]
        self.last_log = self.stack.folder / "log" / f"{folder.name}.log"
        return processes.start(command, self.last_log, own)

    def next_service(self) -> str:
        """Return one service after the other."""
        self._turn += 1
        return SERVICES[(self._turn + self.size.seed) % len(SERVICES)]

    def newest(self, count: int) -> dict[str, int]:
        """Return the event time of the newest payment of so many customers, of all that is scored."""
        names = self._names[max(0, self._scored - count) : self._scored]
        return {self.sent[name].customer.decode(): self.sent[name].time for name in names}

    def scaled(self, seconds: float) -> float:
        """Return how long a fault lasts where this run is a share of a whole one."""
        return max(seconds * self.size.share, min(seconds, LEAST_SECONDS))

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
    records = history(size.most_payments, size.entities, size.seed)
    payments = [each for each in records if each.is_payment]
    sent = {each.name: Sent(number, each.key, each.time) for number, each in enumerate(payments)}
    kafka = ProxiedKafka(folder / "kafka")
    with Stack(folder / "stack", SERVICES, kafka=kafka) as stack:
        publish_model(stack.settings)
        addresses = {**stack.settings.kafka, "bootstrap.servers": kafka.direct}
        settings = stack.settings.model_copy(update={"kafka": addresses})
        reader = Reader(settings, sent)
        flow, groups = Flow(settings, records, size.rate), Groups(settings)
        reader.start()
        flow.start()
        world = World(size, stack, settings, kafka.proxy, flow, reader, groups, sent)
        world.recovery(time.monotonic())  # models are loaded and all is compiled before the first fault
        yield world
        groups.close()


def judged(world: World, folder: Path) -> dict[str, Any]:
    """End the load once enough was sent; return the verdict, for a reader during the faults and one after."""
    wait_for(lambda: world.flow.payments >= world.size.payments, SEND_SECONDS, "all payments sent")
    world.flow.finish()
    await_quiet(world.stack.settings)
    world.reader.stop()
    world.stack.supervisor.stop()
    settings = world.settings
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
