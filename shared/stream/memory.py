"""A broker in memory, with the part of confluent-kafka's consumer and producer that the run loop uses.

Single-threaded and deterministic: nothing happens but inside a call, no call waits, and time is a
counter. tests/conformance holds it to the behaviour of a real Kafka.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, Message

from shared.stream.memory_consumer import Committed, MemoryConsumer
from shared.stream.memory_group import Group, Where

Delivered = Callable[[KafkaError | None, Message], None]


@dataclass(slots=True)
class _Records:
    """One partition: records by offset, of which those below ``low`` are no longer kept."""

    low: int = 0
    kept: list[tuple[int, bytes | None, bytes | None]] = field(default_factory=list)


class MemoryLog:
    """Topics, groups and their committed offsets.

    Parameters
    ----------
    topics
        Number of partitions by topic.
    clock
        Returns the broker's time in milliseconds, once a record; counts from 1 by default.
    """

    def __init__(self, topics: dict[str, int], clock: Callable[[], int] | None = None) -> None:
        self.topics: dict[str, int] = {}
        self._clock = clock or itertools.count(1).__next__
        self._partitions: dict[Where, _Records] = {}
        self._groups: dict[str, Group] = {}
        for name, count in topics.items():
            self.create(name, count)

    def create(self, name: str, partitions: int) -> str:
        """Make a topic; return its name."""
        self.topics[name] = partitions
        self._partitions |= {(name, at): _Records() for at in range(partitions)}
        return name

    def consumer(
        self, group: str, instance_id: str | None = None, on_commit: Committed | None = None
    ) -> MemoryConsumer:
        """Return a consumer of a group; one with the same ``instance_id`` replaces the one before."""
        found = self._groups.setdefault(group, Group(group, self.topics))
        return MemoryConsumer(self, found, instance_id, on_commit)

    def producer(self) -> MemoryProducer:
        """Return a producer whose records reach the log only when it polls or flushes."""
        return MemoryProducer(self)

    def expel(self, group: str, instance_id: str) -> None:
        """End the session of a group's member, as if it had been silent for too long."""
        self._groups[group].expel(instance_id)

    def trim(self, topic: str, partition: int, low: int) -> None:
        """Keep no record below ``low``, as retention does."""
        self._partitions[topic, partition].low = low

    def watermarks(self, where: Where) -> tuple[int, int]:
        """Return the first offset kept and the next to be written."""
        records = self._partitions[where]
        return records.low, len(records.kept)

    def append(self, where: Where, key: bytes | None, value: bytes | None) -> Message:
        """Write a record; return it as it lies in the log."""
        kept = self._partitions[where].kept
        kept.append((self._clock(), key, value))
        return self.read(where, len(kept) - 1)

    def read(self, where: Where, offset: int) -> Message:
        """Return the record at an offset."""
        time, key, value = self._partitions[where].kept[offset]
        stamp = (TIMESTAMP_LOG_APPEND_TIME, time)
        return Message(
            topic=where[0], partition=where[1], offset=offset, key=key, value=value, timestamp=stamp
        )


class MemoryProducer:
    """Queues records; ``poll`` and ``flush`` write them and call back, in order.

    ``limit`` is how many records each of these calls writes (None: all), so that a test can end a
    service in the middle, or stall the broker. Once ``is_broken`` it answers each record with an
    error and writes none, as a producer without gaps does after a record that it could not deliver.
    """

    def __init__(self, log: MemoryLog) -> None:
        self.limit: int | None = None
        self.is_broken = False
        self._log = log
        self._queue: deque[tuple[Where, bytes | None, bytes | None, Delivered | None]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: Delivered | None = None,
    ) -> None:
        """Queue a record; the partition must be given."""
        self._queue.append(((topic, partition), key, value, on_delivery))

    def produce_batch(
        self,
        topic: str,
        messages: Sequence[dict[str, Any]],
        partition: int = -1,
        on_delivery: Delivered | None = None,
    ) -> int:
        """Queue records; return how many. All go to ``partition``, as with confluent-kafka 2.16."""
        for each in messages:
            called = each.get("callback", on_delivery)
            self.produce(topic, each.get("value"), each.get("key"), partition, called)
        return len(messages)

    def poll(self, timeout: float = 0) -> int:
        """Write what is queued; return the number of records answered."""
        count = len(self._queue) if self.limit is None else min(self.limit, len(self._queue))
        for _ in range(count):
            where, key, value, called = self._queue.popleft()
            error = self._objection(where)
            if error is None:
                written = self._log.append(where, key, value)
            else:
                written = Message(topic=where[0], partition=where[1], key=key, value=value, error=error)
            if called is not None:
                called(error, written)
        return count

    def flush(self, timeout: float = 0) -> int:
        """Write what is queued; return the number of records left."""
        self.poll()
        return len(self._queue)

    def _objection(self, where: Where) -> KafkaError | None:
        if self.is_broken:
            return KafkaError(KafkaError._PURGE_QUEUE)
        if where[0] not in self._log.topics:
            return KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        if not 0 <= where[1] < self._log.topics[where[0]]:
            return KafkaError(KafkaError._UNKNOWN_PARTITION)
        return None
