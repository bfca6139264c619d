"""Latency from raw payment to score at a steady rate, beside four bare hops in the same run.

Times are the broker's own (LogAppendTime of the first and of the last record), so both chains are measured
by one clock. Both run in one stack with all services up; rounds alternate, since the machine is noisy.
The last line of stdout is one JSON object; the exit code is 1 when the chain's p99 is over the limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.cimpl import NewTopic

from deploy.local import processes
from deploy.local.stack import ONE_THREAD, Stack
from deploy.local.variables import variables
from services.cli.demo.story import await_quiet
from services.replay.records import avro_payments
from services.replay.simulator import Simulation
from shared import wire
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import CONSUMER, admin, producer
from tests.bench.hop import PARTITIONS
from tests.faults.models import publish_model

HOPS = 4
LIMIT_RATIO = 3.0
WARM_UP_SECONDS = 5.0
TICK_SECONDS = 0.002
ANSWER_SECONDS = 10.0


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        settings = stack.settings
        publish_model(settings)
        children = _start_hops(settings, Path(folder))
        try:
            found = _rounds(arguments, settings)
        finally:
            for child in children:
                processes.kill(child)
    chain, bare = (np.concatenate([each[kind] for each in found]) for kind in ("chain", "bare"))
    ratio = float(np.quantile(chain, 0.99) / np.quantile(bare, 0.99))
    result = {
        "payments_per_second": arguments.rate,
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "chain": _quantiles(chain),
        "bare_hops": _quantiles(bare),
        "p99_ratio": round(ratio, 2),
        "limit": LIMIT_RATIO,
        "is_ok": ratio <= LIMIT_RATIO,
    }
    print(json.dumps(result))
    return 0 if result["is_ok"] else 1


def _rounds(arguments: argparse.Namespace, settings: Settings) -> list[dict[str, Any]]:
    payments = _payments(int(arguments.rate * (WARM_UP_SECONDS + arguments.rounds * arguments.seconds)))
    warm = int(arguments.rate * WARM_UP_SECONDS)
    _send(settings, settings.topic("transactions.raw.v1"), payments[:warm], arguments.rate)
    await_quiet(settings)
    found = []
    per_round = int(arguments.rate * arguments.seconds)
    for number in range(arguments.rounds):
        part = payments[warm + number * per_round :][:per_round]
        bare = _measured(settings, "bare.0", f"bare.{HOPS}", part, arguments.rate)
        raw, scores = settings.topic("transactions.raw.v1"), settings.topic("scores.v1")
        chain = _measured(settings, raw, scores, part, arguments.rate)
        print(f"round {number}: chain {_quantiles(chain)}, bare {_quantiles(bare)}", file=sys.stderr)
        found.append({"chain": chain, "bare": bare})
    return found


def _measured(
    settings: Settings, source: str, target: str, part: list[tuple[bytes, bytes]], rate: float
) -> np.ndarray[Any, Any]:
    """Send records at a rate and return their latencies in milliseconds."""
    starts, ends = _reader(settings, source), _reader(settings, target)
    _send(settings, source, part, rate)
    sent, arrived = _times(starts, len(part)), _times(ends, len(part))
    return np.array([arrived[name] - time for name, time in sent.items()])


def _times(reader: Consumer, count: int) -> dict[str, int]:
    """Return the broker time of each record by transaction id, milliseconds."""
    found: dict[str, int] = {}
    deadline = time.monotonic() + 60
    while len(found) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"only {len(found)} of {count} records arrived within a minute")
        found.update(_named(reader.consume(2000, 0.2)))
    reader.close()
    return found


def _named(messages: Iterable[Message]) -> dict[str, int]:
    return {wire.decode(m.value() or b"")["transaction_id"]: m.timestamp()[1] for m in messages}


def _reader(settings: Settings, topic: str) -> Consumer:
    reader = Consumer({**CONSUMER, "group.id": "bench", **settings.kafka})
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    for place in places:
        place.offset = reader.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
    reader.assign(places)
    return reader


def _send(settings: Settings, topic: str, records: list[tuple[bytes, bytes]], rate: float) -> None:
    """Send records in open loop: each is due at its time, whatever became of those before it."""
    sender = producer(settings)
    chosen = partitions([key for key, _ in records], PARTITIONS).tolist()
    messages = [
        {"key": key, "value": value, "partition": at}
        for (key, value), at in zip(records, chosen, strict=True)
    ]
    began, sent = time.monotonic(), 0
    while sent < len(messages):
        due = min(int((time.monotonic() - began) * rate) + 1, len(messages))
        if due > sent:
            sender.produce_batch(topic, messages[sent:due])
            sent = due
        sender.poll(0)
        time.sleep(TICK_SECONDS)
    sender.flush()


def _payments(count: int) -> list[tuple[bytes, bytes]]:
    frames = Simulation(customers=5000, terminals=5000, days=60, seed=5).frames()
    rows: list[pl.DataFrame] = []
    while sum(frame.height for frame in rows) < count:
        rows.append(next(frames))
    return avro_payments(pl.concat(rows))[:count]


def _start_hops(settings: Settings, folder: Path) -> list[processes.Child]:
    names = [f"bare.{number}" for number in range(HOPS + 1)]
    made = admin(settings)
    topics = [
        NewTopic(name, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"}) for name in names
    ]
    for future in made.create_topics(topics).values():
        future.result(ANSWER_SECONDS)
    inherited = {**processes.environment(), **ONE_THREAD, **variables(settings)}
    return [
        processes.start(
            [sys.executable, "-m", "tests.bench.hop", source, target], folder / f"{target}.log", inherited
        )
        for source, target in pairwise(names)
    ]


def _quantiles(values: np.ndarray[Any, Any]) -> dict[str, float]:
    return {f"p{share}_ms": float(np.quantile(values, share / 100)) for share in (50, 95, 99)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("latency", description=__doc__)
    parser.add_argument("--rate", type=float, default=5000.0, help="payments a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
