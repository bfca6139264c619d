"""The tiny service of stream_stage.py as a process, and the payments that it takes."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import schemas
from deploy.local import processes
from shared import wire
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import producer
from tests.faults.stream_stage import INPUT, OVERSIZED

CUSTOMERS = 50
MODULE = "tests.faults.stream_stage"
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

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        words: Sequence[str] = (MODULE,),
        stream: Mapping[str, str] | None = None,
    ) -> None:
        self._log = folder / "tiny.log"
        self._command = [sys.executable, "-m", *words]
        self._variables = processes.environment(
            MILLRACE_KAFKA__BOOTSTRAP_SERVERS=settings.kafka["bootstrap.servers"],
            MILLRACE_TOPIC_PREFIX=settings.topic_prefix,
            MILLRACE_STATE_FOLDER=str(settings.state_folder),
            MILLRACE_KEYS_FOLDER=str(settings.keys_folder),
            **{f"MILLRACE_STREAM__{name}": value for name, value in (stream or {"MAX_BATCH": "200"}).items()},
        )
        self.starts = 0
        self.child: processes.Child | None = None

    def supervise(self) -> processes.Child:
        if self.child is None or self.child.poll() is not None:
            self.child = processes.start(self._command, self._log, self._variables)
            self.starts += 1
        return self.child

    def kill(self) -> None:
        if self.child is not None:
            processes.kill(self.child)

    def stop(self) -> int | None:
        child = self.supervise()
        processes.stop(child, 12.0)
        return child.poll()


def payments(count: int, oversized: int | None = None) -> list[dict[str, Any]]:
    """Return payments; the one whose number is ``oversized`` grows beyond what the broker takes."""
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
    """Send payments as made from the raw records ``start`` and on."""
    client = producer(settings)
    keys = [row["customer_id"].encode() for row in rows]
    places = partitions(keys, schemas.partition_count(INPUT)).tolist()
    for number, (row, key, place) in enumerate(zip(rows, keys, places, strict=True), start):
        value = wire.encode(INPUT, row | {"source": wire.source_bytes(0, number)})
        client.produce(settings.topic(INPUT), value=value, key=key, partition=place)
    assert client.flush(30) == 0
