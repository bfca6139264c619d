"""One tiny service on a real Kafka: met by a record it cannot send, and by a broker that stalls."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import schemas
from deploy.local import processes
from deploy.local.kafka import Kafka
from shared import wire
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import producer, read_topic
from tests.faults.stream_stage import INPUT, OUTPUT, OVERSIZED
from tests.waiting import elapse, wait_for

CUSTOMERS = 50
STALL_SECONDS = 5.0

PAYMENT = {
    "accepted_at": 1,
    "currency": "EUR",
    "amount_base": 1,
    "channel": "online",
    "merchant_category": None,
    "country": None,
    "device_id": None,
    "card_token": None,
}


class Service:
    """The tiny service, started again whenever it ended, as a supervisor does."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._log = folder / "tiny.log"
        self._variables = processes.environment(
            MILLRACE_KAFKA__BOOTSTRAP_SERVERS=settings.kafka["bootstrap.servers"],
            MILLRACE_TOPIC_PREFIX=settings.topic_prefix,
            MILLRACE_STATE_FOLDER=str(settings.state_folder),
            MILLRACE_KEYS_FOLDER=str(settings.keys_folder),
            MILLRACE_STREAM__MAX_BATCH="200",
        )
        self.starts = 0
        self.child: processes.Child | None = None

    def supervise(self) -> processes.Child:
        if self.child is None or self.child.poll() is not None:
            command = [sys.executable, "-m", "tests.faults.stream_stage"]
            self.child = processes.start(command, self._log, self._variables)
            self.starts += 1
        return self.child

    def kill(self) -> None:
        if self.child is not None:
            processes.kill(self.child)

    def stop(self) -> int | None:
        child = self.supervise()
        processes.stop(child, 12.0)
        return child.poll()


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    made = Service(settings, tmp_path)
    yield made
    made.kill()


def payments(count: int, oversized: int | None = None) -> list[dict[str, Any]]:
    draw = random.Random(7)
    return [
        PAYMENT
        | {
            "transaction_id": f"p{number:05d}",
            "event_time": 1_000_000 + number,
            "customer_id": f"c{draw.randrange(CUSTOMERS)}",
            "terminal_id": f"t{draw.randrange(CUSTOMERS)}",
            "amount": OVERSIZED if number == oversized else 100,
        }
        for number in range(count)
    ]


def send(settings: Settings, rows: Sequence[dict[str, Any]], start: int = 0) -> None:
    client = producer(settings)
    keys = [row["customer_id"].encode() for row in rows]
    places = partitions(keys, schemas.partition_count(INPUT)).tolist()
    for number, (row, key, place) in enumerate(zip(rows, keys, places, strict=True), start):
        value = wire.encode(INPUT, row | {"source": wire.source_bytes(0, number)})
        client.produce(settings.topic(INPUT), value=value, key=key, partition=place)
    assert client.flush(30) == 0


def accepted(settings: Settings) -> list[tuple[str, int]]:
    """Payment and count of each output by the position rule: what a reader downstream would take."""
    highest: dict[tuple[int, int], int] = {}
    found = []
    for message in read_topic(settings, OUTPUT):
        assert message.partition() == partitions([message.key()], schemas.partition_count(OUTPUT))[0]
        record = wire.decode(message.value(), OUTPUT)
        upstream, offset = (int(each[0]) for each in wire.sources(wire.join([message.value()])))
        place = message.partition(), upstream
        if offset > highest.get(place, -1):
            highest[place] = offset
            found.append((record["transaction_id"], int(record["customer_features"][0])))
    return found


def plain_run(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    made = []
    for row in rows:
        counts[row["customer_id"]] = counts.get(row["customer_id"], 0) + 1
        made.append((row["transaction_id"], counts[row["customer_id"]]))
    return made


def records_in(settings: Settings, topic: str) -> int:
    return sum(1 for _ in read_topic(settings, topic))


def test_a_record_too_large_to_send_becomes_a_dead_letter_and_the_rest_goes_on(
    settings: Settings, service: Service
) -> None:
    rows = payments(60, oversized=30)
    send(settings, rows)

    def is_set_aside() -> bool:
        service.supervise()
        return records_in(settings, "dead-letters.v1") > 0 and len(accepted(settings)) >= len(rows) - 1

    wait_for(is_set_aside, 120, "a dead letter and all others")
    assert service.stop() == 0
    letters = [wire.decode(message.value()) for message in read_topic(settings, "dead-letters.v1")]
    assert {letter["reason"] for letter in letters} == {"crashed_service"}
    names = sorted(name for name, _ in accepted(settings))
    assert names == [row["transaction_id"] for row in rows if row["amount"] != OVERSIZED]


def test_a_stalled_broker_loses_nothing_and_costs_no_restart(
    settings: Settings, service: Service, kafka: Kafka
) -> None:
    rows = payments(2000)
    service.supervise()
    send(settings, rows[:1000])
    wait_for(lambda: records_in(settings, OUTPUT) > 0, 60, "outputs")
    os.kill(kafka.child.pid, signal.SIGSTOP)
    try:
        elapse(STALL_SECONDS)
    finally:
        os.kill(kafka.child.pid, signal.SIGCONT)
    send(settings, rows[1000:], 1000)
    wait_for(lambda: len(accepted(settings)) >= len(rows), 60, "all outputs")
    assert service.starts == 1
    assert service.stop() == 0
    assert sorted(accepted(settings)) == plain_run(rows)
