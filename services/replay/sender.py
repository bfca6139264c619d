"""Raw records on their way to the broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import schemas
from services.replay.records import Record
from shared import wire
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import DependencyError, admin, producer

QUEUED = 50_000
POLL_SECONDS = 0.05
FLUSH_SECONDS = 60.0


class Sender:
    """Sends keyed records; `flush` returns once all are durable.

    Raises
    ------
    DependencyError
        If no broker answers or the topics are not there.
    """

    def __init__(self, settings: Settings, topics: tuple[str, ...]) -> None:
        self._settings = settings
        existing = admin(settings).list_topics().topics
        for name in topics:
            if settings.topic(name) not in existing:
                raise DependencyError(
                    f"there is no topic {settings.topic(name)}; run `millrace topics apply`"
                )
        self._producer = producer(settings)

    def send(self, topic: str, records: list[Record]) -> None:
        """Send records; the partition follows from the key."""
        if not records:
            return
        chosen = partitions([key for key, _ in records], schemas.partition_count(topic)).tolist()
        messages: list[dict[str, Any]] = [
            {"key": key, "value": value, "partition": at}
            for (key, value), at in zip(records, chosen, strict=True)
        ]
        while len(self._producer) > QUEUED:
            self._producer.poll(POLL_SECONDS)
        self._producer.produce_batch(self._settings.topic(topic), messages)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all records are durable.

        Raises
        ------
        DependencyError
            If the broker does not take them within a minute.
        """
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            raise DependencyError(f"the broker did not take {left} records within {FLUSH_SECONDS:g} seconds")


def send_customers(settings: Settings, customers: Sequence[Mapping[str, Any]]) -> None:
    """Write customers' attributes to `customers.v1`, for analysis by subgroup only."""
    sender = Sender(settings, ("customers.v1",))
    records = [(each["customer_id"].encode(), wire.encode("customers.v1", each)) for each in customers]
    sender.send("customers.v1", records)
    sender.flush()
