"""Raw records on their way to a topic: at a steady rate in open loop, or as fast as it goes."""

from __future__ import annotations

import gc
import time

from confluent_kafka import Producer

from shared.settings import Settings
from shared.stream.clients import PRODUCER, log
from tests.bench.payments import Message, Payments

TICK_SECONDS = 0.002
LINGER_MS = 5  # what Java clients take by default since Kafka 4.0
SLICE = 2000
POLL_SECONDS = 0.05
QUEUED = 100_000


class Sender:
    """A payment system: an outside client that chooses partitions as Java's do."""

    def __init__(self, settings: Settings) -> None:
        config = {**PRODUCER, "partitioner": "murmur2_random", "linger.ms": LINGER_MS, **settings.kafka}
        self._producer = Producer({**config, "logger": log})

    def at_rate(self, topic: str, payments: Payments, rate: float) -> int:
        """Send payments in open loop; return when the first was due, nanoseconds since 1970.

        Payment number n is due n / rate seconds later, whatever became of those before it.
        """
        messages = payments.messages
        gc.collect()
        gc.freeze()  # a collection over so many dictionaries would hold the sender up
        began, sent = time.time_ns(), 0
        while sent < len(messages):
            due = min(int((time.time_ns() - began) * rate / 1e9) + 1, len(messages))
            if due > sent:
                self._producer.produce_batch(topic, messages[sent:due])
                sent = due
            self._producer.poll(0)
            time.sleep(TICK_SECONDS)
        self._producer.flush()
        return began

    def at_once(self, topic: str, payments: Payments) -> None:
        """Send payments as fast as the broker takes them; return when all are durable."""
        for first in range(0, len(payments), SLICE):
            self.put(topic, payments.messages[first : first + SLICE])
        self.flush()

    def put(self, topic: str, messages: list[Message]) -> None:
        """Queue messages once there is room."""
        while len(self._producer) > QUEUED:
            self._producer.poll(POLL_SECONDS)
        if messages:
            self._producer.produce_batch(topic, messages)
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when all are durable."""
        self._producer.flush()
