"""One bare hop: consume and produce with the clients of the services, and nothing between."""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import TopicPartition

from shared.settings import Settings
from shared.stream import clients

PARTITIONS = 4
POLL_SECONDS = 0.05


def main(source: str, target: str) -> None:
    """Copy ``source`` to ``target``, partition by partition, until killed."""
    settings = Settings.load()
    consumer = clients.consumer(settings, f"bare.{target}")
    producer = clients.producer(settings)
    consumer.assign([TopicPartition(source, partition, 0) for partition in range(PARTITIONS)])
    while True:
        producer.poll(0)
        first = consumer.poll(POLL_SECONDS)
        if first is None:
            continue
        records: list[dict[str, Any]] = [
            {"key": each.key(), "value": each.value(), "partition": each.partition()}
            for each in (first, *consumer.consume(settings.stream.max_batch - 1, 0))
        ]
        producer.produce_batch(target, records)


if __name__ == "__main__":
    main(*sys.argv[1:])
