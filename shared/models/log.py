"""The log of model events on Kafka: read to its end, appended to one event at a time."""

from __future__ import annotations

from confluent_kafka import Producer

from shared.models.appending import Decide, append
from shared.models.lifecycle import Standing, standing
from shared.models.records import TOPIC, ModelRecord
from shared.models.topic import PARTITION, ModelFeed
from shared.settings import Settings
from shared.stream.clients import DependencyError, producer

FLUSH_SECONDS = 30.0


class ModelLog:
    """Reads and appends events; for one thread. Any number of writers may be at work on the topic.

    Raises
    ------
    DependencyError
        If the broker or the topic is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._feed = ModelFeed(settings)
        self._standing = Standing()
        self._sender: Producer | None = None

    def standing(self) -> Standing:
        """Return what stands at the end that the topic has now."""
        self._standing = standing(self._feed.catch_up(), self._standing)
        return self._standing

    def append(self, decide: Decide) -> ModelRecord | None:
        """Append the event that ``decide`` wants after what stands; return it, None when it wants none.

        ``decide`` may be asked again, when another writer came first.

        Raises
        ------
        NotAllowed
            If that event may not follow.
        DependencyError
            If the broker does not take it.
        """
        self._standing, appended = append(self, self._standing, decide)
        return appended

    def catch_up(self) -> list[ModelRecord]:
        """Return the records since the last call up to the end that the topic has now."""
        return self._feed.catch_up()

    def write(self, record: ModelRecord) -> None:
        """Send a record and wait until it is durable."""
        if self._sender is None:
            self._sender = producer(self._settings)
        topic = self._settings.topic(TOPIC)
        refused: list[str] = []
        self._sender.produce(
            topic,
            record.to_bytes(),
            record.version.encode(),
            partition=PARTITION,
            on_delivery=lambda error, _: refused.append(error.str()) if error else None,
        )
        if self._sender.flush(FLUSH_SECONDS) or refused:
            why = refused[0] if refused else f"no answer within {FLUSH_SECONDS:g} seconds"
            raise DependencyError(
                f"topic {topic} did not take the model's event: {why}; look at the broker's log"
            )

    def close(self) -> None:
        """Leave the broker."""
        self._feed.close()
