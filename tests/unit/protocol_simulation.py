"""A whole chain of three services on the log in memory, with faults drawn from a seed.

The run loop, positions, progress, assignment and snapshots are the real ones. Only the clock, the
disk and the broker are in memory. A fault is a crash with a queue not sent, a stall until the group
takes the partitions away (the zombie then wakes with its queue), a member that leaves or comes, a
record that the broker refuses, a damaged or lost checkpoint with a log cut to the longest window.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from shared import wire
from shared.settings import Settings
from shared.settings.model import StreamSettings
from shared.stream.assignment import Assignment
from shared.stream.loop import Loop
from shared.stream.memory import MemoryLog, MemoryProducer
from shared.stream.snapshots import Snapshots
from tests.unit.protocol_fakes import AtOnce, Disk, Ended, Quiet
from tests.unit.protocol_stages import (
    FACTS,
    LAG,
    LAST,
    MIDDLE,
    PARTITIONS,
    PAYMENTS,
    SCORES,
    WINDOW,
    content_of,
    name_of,
    place_of,
    plain_run,
    stages,
    time_of,
)
from tests.unit.protocol_upstream import Upstream

PRODUCER = MemoryProducer
CALM_TURNS = 300
FENCED = (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL)
TOPICS = (PAYMENTS, FACTS, MIDDLE, LAST, SCORES)
SETTINGS = [
    Settings(
        topic_prefix="",
        stream=StreamSettings(commit_ms=10, checkpoint_seconds=0.03, max_batch=size),
    )
    for size in (1, 3, 8)
]


FAULTS = (
    *("_crash", "_stall", "_wake", "_stop", "_scale", "_refuse_record", "_damage", "_forget"),
    *("_revive", "_revive"),
)


@dataclass
class Simulation:
    """One run; ``violations`` says what went wrong."""

    seed: int
    violations: list[str] = field(default_factory=list)
    faults: Any = FAULTS

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.log = MemoryLog({topic: PARTITIONS for topic in TOPICS})
        self.reader = self.log.consumer("reader")
        self.disks = {name: Disk() for name in stages()}
        self.running: dict[tuple[str, int], Loop] = {}
        self.zombies: list[tuple[str, Loop]] = []
        self.time = 0.0
        self.upstream = Upstream(self.seed, self.draw, self.log)
        self.scored: dict[bytes, bytes] = {}
        self._seen: dict[tuple[int, int], int] = {}
        self._following = [0] * PARTITIONS

    def run(self) -> list[str]:
        for name in self.disks:
            self._start(name, 0)
        for number in range(self.upstream.rounds):
            self.upstream.write_round(number)
            self._work(lambda: self.draw.random() < 0.5, number - 1)
        self._calm(lambda: self._is_done(self.upstream.rounds))
        self._check()
        return self.violations

    def _work(self, is_enough: Any, done_round: int) -> None:
        """Step and break services until the rounds up to ``done_round`` are scored."""
        for _ in range(40):
            for _ in range(self.draw.randint(2, 8)):
                self._step_one()
            self._break_something()
            if self._is_done(done_round) and is_enough():
                return
        self._calm(lambda: self._is_done(done_round))

    def _calm(self, is_done: Any) -> None:
        while self.zombies:
            self._wake()
        for _ in range(CALM_TURNS):
            self._revive()
            for name in self.disks:
                if (name, 1) not in self.running:
                    self._expel((name, 1))
            for key in list(self.running):
                self._step(key, limit=None)
            if is_done():
                return

    def _is_done(self, rounds: int) -> bool:
        self._read_scores()
        due = {b"%06d" % each.number for each in self.upstream.payments if each.round < rounds}
        return due <= self.scored.keys() and self._facts_committed(rounds)

    def _facts_committed(self, rounds: int) -> bool:
        ends = [0] * PARTITIONS
        for fact in self.upstream.facts:
            ends[place_of(fact.terminal)] += fact.round < rounds
        return all(self._committed("second", FACTS, at) >= end for at, end in enumerate(ends))

    def _committed(self, service: str, topic: str, partition: int) -> int:
        group = self.log._groups[service]
        return max(group.committed_at((topic, partition)).offset, 0)

    def _read_scores(self) -> None:
        for at in range(PARTITIONS):
            end = self.log.watermarks((SCORES, at))[1]
            for offset in range(self._following[at], end):
                value = self.log.read((SCORES, at), offset).value()
                upstream, source = (int(each[0]) for each in wire.sources(wire.join([value])))
                if source > self._seen.get((at, upstream), -1):
                    self._seen[at, upstream] = source
                    self._accept(value)
            self._following[at] = end

    def _accept(self, value: bytes) -> None:
        if name_of(value) in self.scored:
            self.violations.append(f"doubled {name_of(value).decode()}")
        self.scored[name_of(value)] = content_of(value)

    def _check(self) -> None:
        expected = plain_run(self.upstream.payments, self.upstream.facts)
        for name, content in expected.items():
            if name not in self.scored:
                self.violations.append(f"lost {name.decode()}")
            elif self.scored[name] != content:
                self.violations.append(f"differs {name.decode()}")

    def _start(self, name: str, instance: int) -> None:
        stage = stages()[name]
        consumer = self.log.consumer(name, f"{name}-{instance}", _refuse)
        ids: dict[str, list[str | int]] = {each.topic: ["id", PARTITIONS] for each in stage.inputs}
        assignment = Assignment(stage, consumer, self.disks[name], str, ids)  # type: ignore[arg-type]
        quiet: Any = Quiet()
        snapshots = Snapshots(stage, assignment, quiet, 0.03, AtOnce())
        loop = Loop(
            stage,
            self.draw.choice(SETTINGS),
            consumer,
            PRODUCER(self.log),
            assignment,
            quiet,
            quiet,
            quiet,
            snapshots,
            clock=lambda: self.time,
        )
        loop.subscribe()
        self.running[name, instance] = loop

    def _step_one(self) -> None:
        if not self.running:
            self._start(self.draw.choice(list(self.disks)), 0)
        self._step(self.draw.choice(list(self.running)), self.draw.choice((None, None, 0, 1, 3)))

    def _step(self, key: tuple[str, int], limit: int | None) -> None:
        loop = self.running[key]
        loop.producer.limit = limit
        self.time += 0.003
        try:
            loop.step()
        except (KafkaException, RuntimeError, Ended) as error:
            del self.running[key]
            self._note_fenced(error)

    def _note_fenced(self, error: BaseException) -> None:
        first = error.args[0] if error.args else None
        if isinstance(first, KafkaError) and first.code() in (
            KafkaError.FENCED_INSTANCE_ID,
            KafkaError._FATAL,
        ):
            self.violations.append("fenced: a healthy instance was ended by a zombie")

    def _break_something(self) -> None:
        getattr(self, self.draw.choice(self.faults))()

    def _any(self) -> tuple[str, int] | None:
        return self.draw.choice(list(self.running)) if self.running else None

    def _crash(self) -> None:
        key = self._any()
        if key is not None:
            loop = self.running.pop(key)
            loop.producer.limit = self.draw.randrange(4)
            _send_in_silence(loop)
            if self.draw.random() < 0.5:
                self._expel(key)

    def _stall(self) -> None:
        key = self._any()
        if key is not None and self.running[key].assignment.held.partitions:
            self.zombies.append((key[0], self.running.pop(key)))
            self._expel(key)

    def _wake(self) -> None:
        if self.zombies:
            _, loop = self.zombies.pop(0)
            loop.producer.limit = None
            _send_in_silence(loop)
            for _ in range(4):
                try:
                    loop.step()
                except (KafkaException, RuntimeError, Ended):
                    return

    def _stop(self) -> None:
        key = self._any()
        if key is not None:
            loop = self.running.pop(key)
            loop.producer.limit = self.draw.choice((None, 2))
            try:
                loop.stop()
            except (KafkaException, RuntimeError):
                return
            if self.draw.random() < 0.5:
                self._expel(key)

    def _scale(self) -> None:
        key = self.draw.choice(list(self.disks)), 1
        if key not in self.running:
            self._start(*key)

    def _revive(self) -> None:
        for name in self.disks:
            if (name, 0) not in self.running:
                self._start(name, 0)

    def _refuse_record(self) -> None:
        key = self._any()
        if key is not None:
            self.running[key].producer.is_broken = True

    def _damage(self) -> None:
        kept = self.disks[self.draw.choice(list(self.disks))].kept
        for each in kept.values():
            del each[-1:]

    def _forget(self) -> None:
        """Lose the checkpoints of a service, all instances, and the log before the longest window."""
        name = self.draw.choice(("first", "second"))
        for key in [key for key in self.running if key[0] == name]:
            del self.running[key]
            self._expel(key)
        if any(service == name for service, _ in self.zombies):
            return
        self.disks[name].kept.clear()
        for at in range(PARTITIONS):
            self._cut(name, PAYMENTS if name == "first" else MIDDLE, at)

    def _cut(self, name: str, topic: str, at: int) -> None:
        low, high = self.log.watermarks((topic, at))
        committed = self._committed(name, topic, at)
        values = {offset: self.log.read((topic, at), offset).value() for offset in range(low, high)}
        due = (
            self.upstream.payments[-1].round - LAG if self.upstream.payments else 0
        )  # older rounds are scored already
        oldest = min([due, *(time_of(values[offset]) for offset in range(committed, high))])
        kept = [offset for offset in range(low, committed) if time_of(values[offset]) > oldest - WINDOW - 1]
        self.log.trim(topic, at, self.draw.randint(low, min([committed, *kept])))

    def _expel(self, key: tuple[str, int]) -> None:
        group = self.log._groups[key[0]]
        if group._by_instance(f"{key[0]}-{key[1]}") is not None:
            group.expel(f"{key[0]}-{key[1]}")


def _send_in_silence(loop: Loop) -> None:
    """Let librdkafka's threads send what is queued; the process hears no answer."""
    queue = loop.producer._queue
    for _ in range(len(queue)):
        where, key, value, _ = queue.popleft()
        queue.append((where, key, value, None))
    loop.producer.poll(0)


def _refuse(error: KafkaError | None, _: object) -> None:
    if error is not None:
        raise KafkaException(error)
