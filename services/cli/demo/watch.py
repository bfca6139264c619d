"""Follows the topics of the stream and keeps the numbers that a person wants to see."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

import schemas
from shared import wire
from shared.settings import Settings
from shared.signals import TOPIC as SIGNALS
from shared.signals import Signal
from shared.stream.clients import CONSUMER

TOPICS = {
    "transactions.raw.v1": "payments",
    "labels.raw.v1": "labels",
    "scores.v1": "scored",
    "alerts.v1": "alerts",
    "dead-letters.v1": "dead_letters",
    "examples.v1": "examples",
    SIGNALS: "signals",
}
POLL_SECONDS = 0.2
NEWEST_ALERTS = 8
ANSWER_SECONDS = 10.0


@dataclass
class Seen:
    """What has been seen since the watch began; latencies in milliseconds, by the broker's clock."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies: list[int] = field(default_factory=list)
    alerts: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=NEWEST_ALERTS))
    reasons: Counter[str] = field(default_factory=Counter)
    alarms: list[Signal] = field(default_factory=list)

    def latency(self, share: float) -> float | None:
        """Return a quantile of the latencies from raw payment to score; None before the first score."""
        return float(np.quantile(self.latencies, share)) if self.latencies else None


class Watch:
    """Reads on a thread of its own, from the ends that the topics have when it starts."""

    def __init__(self, settings: Settings) -> None:
        self.seen = Seen()
        self.error: BaseException | None = None
        self._settings = settings
        self._names = {settings.topic(name): name for name in TOPICS}
        self._consumer = Consumer({**CONSUMER, "group.id": "millrace.watch", **settings.kafka})
        self._consumer.assign([self._end(name, p) for name in TOPICS for p in _partitions(name)])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; an error that ended it before is raised here."""
        self._stopping.set()
        self._thread.join()
        self._consumer.close()
        if self.error is not None:
            raise self.error

    def _end(self, name: str, partition: int) -> TopicPartition:
        place = TopicPartition(self._settings.topic(name), partition)
        place.offset = self._consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
        return place

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set():
                self._take(self._consumer.consume(2000, POLL_SECONDS))
        except BaseException as error:
            self.error = error

    def _take(self, messages: Sequence[Message]) -> None:
        by_topic: dict[str, list[Message]] = {}
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            by_topic.setdefault(self._names[message.topic() or ""], []).append(message)
        for name, found in by_topic.items():
            self.seen.counts[TOPICS[name]] += len(found)
            values = [message.value() or b"" for message in found]
            if name == "scores.v1":
                accepted = wire.decode_columns(values, ["accepted_at"])["accepted_at"].dt.epoch("ms")
                written = np.array([message.timestamp()[1] for message in found])
                self.seen.latencies += (written - accepted.to_numpy()).tolist()
            elif name == "alerts.v1":
                self.seen.alerts += [wire.decode(value, name) for value in values]
            elif name == "dead-letters.v1":
                self.seen.reasons.update(wire.decode(value, name)["reason"] for value in values)
            elif name == SIGNALS:
                signals = [Signal.from_bytes(value) for value in values]
                self.seen.alarms += [each for each in signals if each.severity == "alarm"]


def _partitions(name: str) -> range:
    return range(schemas.partition_count(name))
