"""Bare hops: consume and produce with the clients of the services, and nothing between."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local import processes
from deploy.local.stack import ONE_THREAD
from deploy.local.variables import variables
from services.replay.pipeline import LATEST
from shared.settings import Settings
from shared.stream import clients

HOPS = 4
PARTITIONS = 4
POLL_SECONDS = 0.05
ANSWER_SECONDS = 60.0


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


def names(hops: int = HOPS) -> list[str]:
    """Return the topics of hops in a row: of the first's input, then of each output."""
    return [f"bare.{number}" for number in range(hops + 1)]


@contextmanager
def running(settings: Settings, folder: Path, hops: int = HOPS) -> Iterator[dict[str, processes.Child]]:
    """Run hops in a row over the topics of `make_topics`, one process each, from the start of the first."""
    inherited = {**processes.environment(), **ONE_THREAD, **variables(settings)}
    children = {}
    try:
        for source, target in pairwise(names(hops)):
            command = [sys.executable, "-m", "tests.bench.hop", source, target]
            children[target] = processes.start(command, folder / f"{target}.log", inherited)
        yield children
    finally:
        for child in children.values():
            processes.kill(child)


def make_topics(settings: Settings, wanted: list[str]) -> None:
    """Make topics like those of the chain; return when every partition answers."""
    client = clients.admin(settings)
    config = {"message.timestamp.type": "LogAppendTime"}
    topics = [NewTopic(name, PARTITIONS, 1, config=config) for name in wanted]
    for future in client.create_topics(topics).values():
        future.result(ANSWER_SECONDS)
    places = [TopicPartition(name, partition) for name in wanted for partition in range(PARTITIONS)]
    deadline = time.monotonic() + ANSWER_SECONDS
    while not all(_is_led(client, place) for place in places):
        if time.monotonic() > deadline:
            raise AssertionError(f"some of {wanted} had no leader after {ANSWER_SECONDS:g} seconds")
        time.sleep(POLL_SECONDS)


def _is_led(client: AdminClient, place: TopicPartition) -> bool:
    future = client.list_offsets({place: LATEST})[place]
    return future.exception(ANSWER_SECONDS) is None


if __name__ == "__main__":
    main(*sys.argv[1:])
