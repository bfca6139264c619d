"""When records arrived in a topic, by the broker's clock."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shared.settings import Settings
from shared.stream.clients import CONSUMER
from tests.bench.hop import PARTITIONS

ANSWER_SECONDS = 10.0
STALL_SECONDS = 60.0
RECORDS_AT_ONCE = 5000

Ends = dict[int, int]


class Arrivals:
    """Reads what comes into a topic from now on, and only when asked: so that reading disturbs nothing."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._reader = Consumer({**CONSUMER, "group.id": "bench", **settings.kafka})
        self._topic = topic
        self._starts = self.ends()

    def ends(self) -> Ends:
        """Return the offset after the last record of each partition."""
        places = [TopicPartition(self._topic, partition) for partition in range(PARTITIONS)]
        return {
            place.partition: self._reader.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
            for place in places
        }

    def count(self) -> int:
        """Return how many records have come."""
        return sum(self.ends().values()) - sum(self._starts.values())

    def times(self, count: int) -> dict[bytes, int]:
        """Return the broker time of each record by key, milliseconds; close the reader.

        Raises
        ------
        AssertionError
            If nothing comes for a minute while fewer than ``count`` keys are there.
        """
        self._reader.assign([TopicPartition(self._topic, *each) for each in self._starts.items()])
        found: dict[bytes, int] = {}
        deadline = time.monotonic() + STALL_SECONDS
        while len(found) < count:
            for message in self._reader.consume(RECORDS_AT_ONCE, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                found.setdefault(message.key() or b"", message.timestamp()[1])
                deadline = time.monotonic() + STALL_SECONDS
            if time.monotonic() > deadline:
                raise AssertionError(f"{self._topic}: only {len(found)} of {count} records arrived")
        self.close()
        return found

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()
