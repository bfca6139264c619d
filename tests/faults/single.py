"""The same stages in one thread, without Kafka: what the services must give, whatever happens to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

import schemas
from shared.stream import Batch, Outgoing, Stage, partitions

CHUNK = 200


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a log: its key, value, broker time, and, for raw ones, its place."""

    key: bytes
    value: bytes
    accepted_ms: int = 0


@dataclass
class SingleThread:
    """Stages in the order of the stream, each taking all that waits for it before the next does."""

    stages: Sequence[Stage]
    logs: dict[str, list[list[Record]]] = field(default_factory=dict)
    accepted_ms: int = 0
    """Broker time of the records that stages write."""
    _taken: dict[tuple[int, str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for stage in self.stages:
            for partition in range(schemas.partition_count(stage.inputs[0].topic)):
                if stage.has_store:
                    stage.applied(partition)
                if stage.has_checkpoints:
                    stage.restore(partition, None)

    def feed(self, records: Iterable[tuple[str, int, Record]]) -> None:
        """Take raw records, each with topic and partition, in this order."""
        waiting = 0
        for topic, partition, record in records:
            self._log(topic)[partition].append(record)
            waiting += 1
            if waiting == CHUNK:
                self._settle()
                waiting = 0
        self._settle()

    def close(self) -> None:
        """Release the stages."""
        for stage in self.stages:
            stage.close()

    def _log(self, topic: str) -> list[list[Record]]:
        return self.logs.setdefault(topic, [[] for _ in range(schemas.partition_count(topic))])

    def _settle(self) -> None:
        while any([self._run(number, stage) for number, stage in enumerate(self.stages)]):
            pass

    def _run(self, number: int, stage: Stage) -> bool:
        has_worked = False
        for each in stage.inputs:
            for partition, log in enumerate(self._log(each.topic)):
                first = self._taken.get((number, each.topic, partition), 0)
                if first < len(log):
                    self._append(stage.process(_batch(each.topic, partition, first, log[first:])))
                    self._taken[number, each.topic, partition] = len(log)
                    stage.acknowledged(partition, each.topic, len(log))
                    has_worked = True
        return has_worked

    def _append(self, outgoing: list[Outgoing]) -> None:
        for output in outgoing:
            if not output.values:
                continue
            log = self._log(output.topic)
            chosen = partitions(output.keys, len(log)).tolist()
            for key, value, partition in zip(output.keys, output.values, chosen, strict=True):
                log[partition].append(Record(key, value, self.accepted_ms))


def _batch(topic: str, partition: int, first: int, records: list[Record]) -> Batch:
    return Batch(
        topic,
        [each.key for each in records],
        [each.value for each in records],
        np.full(len(records), partition, np.int32),
        np.arange(first, first + len(records)),
        np.array([each.accepted_ms for each in records], np.int64),
    )
