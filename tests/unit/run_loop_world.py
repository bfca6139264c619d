"""A log, a folder and a counting service on them, for the tests of the run loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition

from shared import wire
from shared.settings import Settings
from shared.settings.model import StreamSettings
from shared.stream import Arrays, Batch, Input, Outgoing, Stage
from shared.stream.assignment import Assignment
from shared.stream.checkpoints import Checkpoints
from shared.stream.dead_letters import DeadLetters
from shared.stream.loop import Loop
from shared.stream.marker import CrashMarker
from shared.stream.memory import MemoryLog
from shared.stream.meters import Meters
from shared.stream.snapshots import Snapshots
from shared.telemetry import Telemetry
from tests.unit.protocol_fakes import AtOnce
from tests.unit.protocol_stages import LAST, PARTITIONS, SCORES, Payment, name_of

POISON = 3
LETTERS = "dead-letters.v1"


class Counting(Stage):
    """Counts what it has seen; a poisonous payment ends it."""

    inputs = (Input(LAST),)
    has_checkpoints = True

    def __init__(self, poison: int | None = None) -> None:
        self.poison = poison
        self.seen: dict[int, int] = {}
        self.sizes: list[int] = []

    def process(self, batch: Batch) -> list[Outgoing]:
        names = [name_of(value) for value in batch.values]
        if self.poison is not None and b"%06d" % self.poison in names:
            raise ZeroDivisionError
        self.sizes.append(len(batch))
        for partition in batch.partitions.tolist():
            self.seen[partition] += 1
        return [Outgoing(SCORES, names, batch.grow(SCORES, wire.join([b"!"] * len(batch))))]

    def restore(self, partition: int, arrays: Arrays | None) -> None:
        self.seen[partition] = 0 if arrays is None else int(arrays["seen"][0])

    def snapshot(self, partition: int) -> Arrays:
        return {"seen": np.array([self.seen[partition]])}

    def release(self, partition: int) -> None:
        del self.seen[partition]


class World:
    """A log, a folder, and services started on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryLog({topic: PARTITIONS for topic in (LAST, SCORES, LETTERS)})
        stream = StreamSettings(commit_ms=10, checkpoint_seconds=100, max_batch=100)
        self.settings = Settings(
            topic_prefix="", state_folder=folder, keys_folder=folder / "keys", stream=stream
        )
        self.telemetry = Telemetry("counting")
        self.topics: dict[str, list[str | int]] = {LAST: ["id", PARTITIONS]}
        self.time = 0.0

    def write(self, numbers: range, upstream: int = 0) -> None:
        for number in numbers:
            record = Payment(number, 0, 0, 0, 1).record(LAST, (upstream, number))
            self.log.append((LAST, 0), b"key", record)

    def start(self, stage: Stage) -> Loop:
        self.telemetry = Telemetry("counting")
        consumer: Any = self.log.consumer("counting", "counting-0")
        checkpoints = Checkpoints(self.settings.checkpoint_url, "counting")
        assignment = Assignment(stage, consumer, checkpoints, str, self.topics)
        meters = Meters(self.telemetry)
        producer: Any = self.log.producer()
        loop = Loop(
            stage,
            self.settings,
            consumer,
            producer,
            assignment,
            CrashMarker(self.folder / "starts.json"),
            DeadLetters("counting", self.settings),
            meters,
            Snapshots(stage, assignment, meters, self.settings.stream.checkpoint_seconds, AtOnce()),
            clock=self._tick,
        )
        loop.subscribe()
        return loop

    def steps(self, loop: Loop, count: int = 6) -> None:
        for _ in range(count):
            loop.step()

    def names(self, topic: str) -> list[bytes]:
        return [
            name_of(self.log.read((topic, at), offset).value())
            for at in range(PARTITIONS)
            for offset in range(self.log.watermarks((topic, at))[1])
        ]

    def letters(self) -> list[dict[str, Any]]:
        return [
            wire.decode(self.log.read((LETTERS, at), offset).value())
            for at in range(PARTITIONS)
            for offset in range(self.log.watermarks((LETTERS, at))[1])
        ]

    def committed(self) -> TopicPartition:
        found: TopicPartition = self.log.consumer("counting").committed([TopicPartition(LAST, 0)])[0]
        return found

    def _tick(self) -> float:
        self.time += 1
        return self.time
