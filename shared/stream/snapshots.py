"""When state is copied and when it is written: never before the outputs that belong to it are durable."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import schemas
from shared.stream.assignment import Assignment
from shared.stream.checkpoints import Checkpoint
from shared.stream.meters import Meters
from shared.stream.progress import Place
from shared.stream.records import Stage


@dataclass(slots=True)
class Snapshots:
    """Takes a snapshot of each partition every ``seconds`` and hands it to a thread that writes it."""

    stage: Stage
    assignment: Assignment
    meters: Meters
    seconds: float
    writer: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "checkpoint"))
    _pending: dict[int, Checkpoint] = field(default_factory=dict)
    _writing: dict[int, Future[None]] = field(default_factory=dict)
    _due: dict[int, float] = field(default_factory=dict)

    def step(self, now: float) -> None:
        """Take the snapshots that are due at ``now``; write those whose outputs are durable."""
        if not self.stage.has_checkpoints:
            return
        for partition in self.assignment.held.partitions:
            spread = partition / schemas.partition_count(self.stage.inputs[0].topic)
            due = self._due.setdefault(partition, now + self.seconds * (1 + spread))
            if now >= due and partition not in self._pending and self._is_written(partition):
                self._due[partition] = now + self.seconds
                self._take(partition)
            self._write_durable(partition)

    def last(self, partition: int) -> None:
        """Write the state of a partition that goes elsewhere; return when it is written."""
        if not self.stage.has_checkpoints:
            return
        self._due.pop(partition, None)
        self._pending.pop(partition, None)
        self._await_written(partition)  # its snapshot lies in the memory that the next one takes
        self._take(partition)
        self._write_durable(partition)
        self._await_written(partition)

    def close(self) -> None:
        """End the thread once it has written."""
        self.writer.shutdown()

    def _is_written(self, partition: int) -> bool:
        writing = self._writing.get(partition)
        if writing is not None and not writing.done():
            return False
        self._await_written(partition)
        return True

    def _await_written(self, partition: int) -> None:
        if partition in self._writing:
            self._writing.pop(partition).result()

    def _take(self, partition: int) -> None:
        held, positions = self.assignment.held, self.assignment.positions
        places = [place for place in held.following if place.partition == partition]
        if any(place in held.silent for place in places):
            return
        began = time.perf_counter()
        reached = {place.topic: held.following[place] for place in places}
        self._pending[partition] = Checkpoint(
            partition,
            {topic: reach.offset for topic, reach in reached.items()},
            {topic: each.of(partition) for topic, each in positions.items()},
            {topic: reach.event_time for topic, reach in reached.items() if reach.event_time is not None},
            self.assignment.topics,
            self.stage.snapshot(partition),
        )
        self.meters.stalled(time.perf_counter() - began)

    def _write_durable(self, partition: int) -> None:
        checkpoint = self._pending.get(partition)
        if checkpoint is None:
            return
        progress = self.assignment.progress
        if all(progress.has_reached(Place(topic, partition), at) for topic, at in checkpoint.offsets.items()):
            write = self.assignment.checkpoints.write
            self._writing[partition] = self.writer.submit(write, self._pending.pop(partition))
