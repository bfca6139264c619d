"""Metrics that every service has."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition

from shared.settings import Settings
from shared.stream.progress import Place, Reached
from shared.telemetry import Telemetry

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Meters:
    """Records, repeats, lag, time in the stage, and stalls for checkpoints."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._records = telemetry.counter("records_total", "Records taken.", ("topic", "result"))
        self._seconds = telemetry.histogram(
            "batch_seconds", "Time of a batch in the stage.", SECONDS, ("topic",)
        )
        self._lag = telemetry.gauge("lag_records", "Records not yet taken.", ("topic",))
        self._stall = telemetry.histogram("checkpoint_stall_seconds", "Stall for a checkpoint.", SECONDS)

    def assigned(self, places: int) -> None:
        """Take note of how many places are held: with none the service is not ready."""
        self._telemetry.set_ready(places > 0)
        self._telemetry.log.info("assigned", extra={"places": places})

    def worked(self, topic: str, fresh: int, repeats: int, seconds: float) -> None:
        """Take note of a batch."""
        self._records.labels(topic, "taken").inc(fresh)
        self._seconds.labels(topic).observe(seconds)
        if repeats:
            self._records.labels(topic, "repeat").inc(repeats)

    def stalled(self, seconds: float) -> None:
        """Take note of a snapshot."""
        self._stall.observe(seconds)

    def lag(self, consumer: Consumer, settings: Settings, following: dict[Place, Reached]) -> None:
        """Take note of how many records wait, by what the consumer has heard from the broker."""
        behind: dict[str, int] = {}
        for place, reached in following.items():
            at = TopicPartition(settings.topic(place.topic), place.partition)
            _, high = consumer.get_watermark_offsets(at, cached=True)
            behind[place.topic] = behind.get(place.topic, 0) + max(high - reached.offset, 0)
        for topic, count in behind.items():
            self._lag.labels(topic).set(count)
