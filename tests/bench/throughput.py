"""The whole chain at full load beside four bare hops: services, broker and sender on this machine.

Payments are sent as fast as the broker takes them; counted is the time from the first one sent to the last
one out. Once with payments alone, once with labels, outcomes and Redis at work as well. Rounds alternate.
The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from deploy.local.stack import Stack, folder_settings
from services.cli.demo.story import await_quiet
from services.replay.delayed import Delays
from services.replay.records import avro_labels
from shared.settings import Settings
from tests.bench import cpu, hop
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import Bound, conclude, least
from tests.bench.payments import Message, Payments, of_frame, simulated_frame
from tests.bench.sending import SLICE, Sender
from tests.faults.models import publish_model

LEAST_SHARE = 0.40
POLL_SECONDS = 0.02
STALL_SECONDS = 120.0
CHAIN, BARE = "chain", "bare_hops"


@dataclass(frozen=True, slots=True)
class Load:
    """Payments, and the labels that are due by the last of each slice of them."""

    payments: Payments
    labels: list[list[Message]]

    def slices(self) -> Iterator[tuple[list[Message], list[Message]]]:
        """Yield payments and labels in the order in which they are sent."""
        for number, labels in enumerate(self.labels):
            yield self.payments.messages[number * SLICE : (number + 1) * SLICE], labels


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    kinds = {"payments": False, "payments, labels, outcomes, Redis": True}
    found = {kind: measured(arguments, is_whole) for kind, is_whole in kinds.items()}
    bounds = [bound(kind, each) for kind, each in found.items()]
    return conclude({"payments": arguments.payments, "full_load": found}, bounds)


def bound(kind: str, found: dict[str, Any]) -> Bound:
    """Return the chain's bound."""
    share = found[CHAIN]["per_second"] / found[BARE]["per_second"]
    return least(f"chain / four bare hops, {kind}", share, LEAST_SHARE)


def measured(arguments: argparse.Namespace, is_whole: bool) -> dict[str, Any]:
    """Return payments a second through both chains as medians over rounds, and CPU by process."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), settings=_settings(Path(folder), is_cached=is_whole))
        with stack:
            publish_model(stack.settings)
            hop.make_topics(stack.settings, hop.names())
            with hop.running(stack.settings, Path(folder)) as hops:
                times = {name: cpu.CpuTimes(cpu.pids(stack, hops)) for name in (CHAIN, BARE)}
                rates = rounds(stack.settings, arguments, is_whole, times)
    return {
        name: {"per_second": round(statistics.median(found)), "cpu_shares": times[name].shares()}
        for name, found in rates.items()
    }


def rounds(
    settings: Settings, arguments: argparse.Namespace, is_whole: bool, times: dict[str, cpu.CpuTimes]
) -> dict[str, list[float]]:
    """Send rounds of payments; the first warms up. Return payments a second of each round."""
    frame, sender = simulated_frame(arguments.payments * (arguments.rounds + 1)), Sender(settings)
    found: dict[str, list[float]] = {CHAIN: [], BARE: []}
    routes = {
        CHAIN: (settings.topic("transactions.raw.v1"), settings.topic("scores.v1")),
        BARE: (hop.names()[0], hop.names()[-1]),
    }
    for number, load in enumerate(loads(frame, arguments.payments, is_whole)):
        for name, (source, target) in routes.items():
            labels = settings.topic("labels.raw.v1") if name == CHAIN else None
            rate = through(sender, load, (source, labels), Arrivals(settings, target), times[name])
            print(f"round {number}: {name} {rate:,.0f} a second", file=sys.stderr)
            if number == 0:
                times[name].clear()
            else:
                found[name].append(rate)
            await_quiet(settings)
    return found


def through(
    sender: Sender, load: Load, topics: tuple[str, str | None], arrivals: Arrivals, times: cpu.CpuTimes
) -> float:
    """Send a load at once; return its payments a second from the first sent to the last out."""
    payments_topic, labels_topic = topics
    times.start()
    began = time.monotonic()
    for payments, labels in load.slices():
        if labels_topic is not None:
            sender.put(labels_topic, labels)
        sender.put(payments_topic, payments)
    sender.flush()
    while (count := arrivals.count()) < len(load.payments):
        if time.monotonic() > began + STALL_SECONDS:
            raise AssertionError(f"only {count} of {len(load.payments)} payments came out")
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    times.stop()
    arrivals.close()
    return len(load.payments) / seconds


def loads(frame: pl.DataFrame, count: int, has_labels: bool) -> Iterator[Load]:
    """Yield the loads of rounds of ``count`` payments; labels come 1 to 5 days after their payments."""
    waiting = sorted(Delays().labels(frame)) if has_labels else []
    for part in frame.iter_slices(count):
        due: list[list[Message]] = []
        for rows in part.iter_slices(SLICE):
            last = rows["event_time"][-1]
            number = sum(1 for each in waiting if each.label_time <= last)
            records = avro_labels(waiting[:number])
            due.append([{"key": key, "value": value} for key, value in records])
            waiting = waiting[number:]
        yield Load(of_frame(part), due)


def _settings(folder: Path, is_cached: bool) -> Settings:
    settings = folder_settings(folder)
    features = settings.features.model_copy(update={"is_cached": is_cached})
    return settings.model_copy(update={"features": features})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("throughput", description=__doc__)
    parser.add_argument("--payments", type=int, default=100_000, help="payments of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds that count (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
