"""Three times what the services can carry, for a while: nothing is lost, and they catch up.

Capacity, what all services carry together, is measured first, with the sender at work beside them. The bound
on catching up is 3 minutes for 2 minutes of it: at capacity that is 4 minutes of work left at the end.
The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import schemas
from deploy.local.stack import Stack
from shared.settings import Settings
from shared.stream.clients import read_topic
from shared.stream.rocks import CACHE_BYTES, WRITE_BUFFER_BYTES
from shared.wire import long_bytes
from shared.wire.framing import HEADER_BYTES
from tests.bench.bounds import conclude, least, most
from tests.bench.payments import Message, of_frame, simulated_frame
from tests.bench.sending import SLICE, Sender
from tests.faults.groups import caught_up
from tests.faults.memory import Memory, growth
from tests.faults.models import publish_model
from tests.faults.poison import letters
from tests.faults.world import SERVICES
from tests.waiting import elapse

FACTOR, SECONDS, CATCH_UP_SECONDS = 3.0, 120.0, 180.0
BASE, CAPACITY = 60_000, 60_000
LEAST_OFFERED = 0.95  # of what should be: a sender that is held back overloads nothing
TICK_SECONDS = 0.02
MARK_BYTES = 4
MIB = 1 << 20
MOST_MIB = 64.0  # what a service may grow by beside what it keeps: its clients' queues have limits
WINDOW_BYTES = {"features.customer": 40, "features.terminal": 40}
"""What a payment in the windows takes: state is no queue."""
STORE_MIB = schemas.partition_count("scores.v1") * (2 * WRITE_BUFFER_BYTES + CACHE_BYTES) / MIB
"""What RocksDB holds for the stores of all partitions: a cache, a buffer that fills, one that is written."""
WITH_STORES = ("ingest", "labels")


class Endless:
    """Payments without end: the same days over and over, each time later and under other ids."""

    def __init__(self) -> None:
        frame = simulated_frame(BASE)
        payments = of_frame(frame)
        times = frame["event_time"].to_list()
        self._span = times[-1] - times[0]
        self._base = [
            (
                name,
                time_of,
                each["key"],
                each["value"][HEADER_BYTES + 1 + len(name) + len(long_bytes(time_of)) :],
            )
            for name, time_of, each in zip(payments.ids, times, payments.messages, strict=True)
        ]
        self._front = payments.messages[0]["value"][:HEADER_BYTES]
        self._numbers = {name: number for number, name in enumerate(payments.ids)}
        self._cycle, self._at = 0, 0

    @property
    def taken(self) -> int:
        """How many payments were taken."""
        return self._cycle * BASE + self._at

    def number(self, name: bytes) -> int:
        """Return which of all payments an id names, counted from 0."""
        return int(name[-MARK_BYTES:]) * BASE + self._numbers[name[:-MARK_BYTES]]

    def take(self, count: int) -> list[Message]:
        """Return the next payments."""
        found: list[Message] = []
        while len(found) < count:
            end = min(self._at + count - len(found), BASE)
            found += self._renamed(self._at, end)
            self._at = end % BASE
            self._cycle += self._at == 0
        return found

    def _renamed(self, first: int, end: int) -> Iterator[Message]:
        mark, later = b"%0*d" % (MARK_BYTES, self._cycle), self._cycle * self._span
        for name, time_of, key, rest in self._base[first:end]:
            length = bytes([2 * (len(name) + len(mark))])  # of a short text, as Avro writes it
            yield {
                "key": key,
                "value": b"".join((self._front, length, name, mark, long_bytes(time_of + later), rest)),
            }


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    seconds = SECONDS * arguments.share
    with tempfile.TemporaryDirectory() as name, Stack(Path(name), SERVICES) as stack:
        publish_model(stack.settings)
        found = overloaded(stack, seconds)
    held = [
        least(
            "offered / capacity",
            found["offered_per_second"] / found["capacity_per_second"],
            FACTOR * LEAST_OFFERED,
        ),
        most(
            "accepted payments neither scored nor in the dead letters",
            found["unscored"] - found["dead_letters"],
            0,
        ),
        most("payments scored again", found["scored_again"], 0),
        most("good payments in the dead letters", found["dead_letters"], 0),
        most("catching up, seconds", found["catch_up_seconds"], CATCH_UP_SECONDS * arguments.share),
    ]
    held += [
        most(f"{name}: growth, MiB", each, MOST_MIB + STORE_MIB * (name in WITH_STORES))
        for name, each in found["growth_mib"].items()
    ]
    return conclude({**found, "seconds": round(time.monotonic() - began)}, held)


def overloaded(stack: Stack, seconds: float) -> dict[str, Any]:
    """Measure the capacity, send three times that for so long, and wait until all is taken."""
    settings, payments, sender = stack.settings, Endless(), Sender(stack.settings)
    topic = settings.topic("transactions.raw.v1")
    for _ in range(2):  # the first time all is compiled
        capacity = measured(settings, sender, payments, topic)
    sent = [0]
    memory = Memory(stack.supervisor, lambda: sent[0])
    memory.start()
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        due = int(now * capacity * FACTOR) - sent[0]
        for _ in range(0, due, SLICE):
            sender.put(topic, payments.take(SLICE))
            sent[0] += SLICE
        elapse(TICK_SECONDS)
    sender.flush()
    offered, ended = sent[0] / (time.monotonic() - began), time.monotonic()
    caught_up(settings)
    catch_up = time.monotonic() - ended
    memory.stop()
    sizes = {name: WINDOW_BYTES.get(name, 0) * sent[0] / MIB for name in memory.samples}
    grown = {name: growth(each, 0, sent[0]) - sizes[name] for name, each in memory.samples.items()}
    return {
        "capacity_per_second": round(capacity),
        "offered_per_second": round(offered),
        **outcome(settings, payments),
        "catch_up_seconds": round(catch_up, 1),
        "growth_mib": {name: round(each, 1) for name, each in grown.items()},
    }


def outcome(settings: Settings, payments: Endless) -> dict[str, int]:
    """Return what became of all payments, those of the capacity included."""
    scores = read_topic(settings, "scores.v1")
    numbers = np.fromiter((payments.number(message.key() or b"") for message in scores), np.int64)
    return {
        "accepted": payments.taken,
        **unequal(numbers, payments.taken),
        "dead_letters": len({place for place, _ in letters(settings)}),
    }


def unequal(numbers: npt.NDArray[np.int64], count: int) -> dict[str, int]:
    """Return how many of so many payments have no score, and how many scores are one too many."""
    scored = np.count_nonzero(np.bincount(numbers, minlength=count))
    return {"unscored": int(count - scored), "scored_again": int(len(numbers) - scored)}


def measured(settings: Settings, sender: Sender, payments: Endless, topic: str) -> float:
    """Return payments a second that all services carry, sent meanwhile as fast as it goes."""
    began = time.monotonic()
    for _ in range(0, CAPACITY, SLICE):
        sender.put(topic, payments.take(SLICE))
    sender.flush()
    caught_up(settings)
    return CAPACITY / (time.monotonic() - began)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("overload", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of two minutes (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
