"""One tiny service on a real Kafka: met by a record it cannot send, and by a broker that stalls."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import schemas
from deploy.local.kafka import Kafka
from shared import wire
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import read_topic
from tests.faults.stream_stage import OUTPUT, OVERSIZED
from tests.faults.tiny import Service, payments, send
from tests.waiting import elapse, wait_for

STALL_SECONDS = 5.0


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    made = Service(settings, tmp_path)
    yield made
    made.kill()


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
