"""Latency from raw payment to score at a steady rate, beside four bare hops in the same run.

Counted from the moment at which a payment was due to the broker's time of its score, so a sender that is
held up hides nothing. Both chains run in one stack with all services up; rounds alternate, and quantiles
are taken over all of them. The first rounds only warm up: a fresh broker compiles itself for a while.
CPU shares of all processes go to stderr. The last line of stdout is one JSON object; the exit code is 1
when the chain's p99 is over the limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.local.kafka import Kafka
from deploy.local.processes import Child
from deploy.local.stack import Stack, folder_settings
from services.cli.demo.story import await_quiet
from shared.settings import Settings
from tests.bench import cpu, hop
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import conclude, most, rounded
from tests.bench.payments import Payments, Source
from tests.bench.sending import Sender
from tests.faults.models import publish_model

LIMIT_RATIO = 3.0
WARM_UP_RATE = 5000.0  # a broker compiles what has been called often enough
NEVER_DAYS = 3650
CHAIN, BARE = "chain", "bare_hops"
QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}

Milliseconds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Route:
    """Where payments go in and where their keys come out."""

    source: str
    target: str
    sender: Sender
    times: cpu.CpuTimes
    found: list[Milliseconds] = field(default_factory=list)

    def measure(self, settings: Settings, payments: Payments, rate: float) -> None:
        """Send payments at a rate and keep their latencies."""
        arrivals = Arrivals(settings, self.target)
        self.times.start()
        due = self.sender.at_rate(self.source, payments, rate) / 1e6
        self.times.stop()
        arrived = arrivals.times(len(payments))
        at = np.array([arrived[name] for name in payments.ids], np.float64)
        self.found.append(at - due - np.arange(len(payments)) * 1000.0 / rate)

    def forget(self) -> None:
        """Forget what was measured: it only warmed up."""
        self.found.clear()
        self.times.clear()


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, stack_of(Path(folder)) as stack:
        publish_model(stack.settings)
        hop.make_topics(stack.settings, hop.names())
        with hop.running(stack.settings, Path(folder)) as hops:
            source, routes = Source(), routes_of(stack, hops)
            warm_ups = arguments.warm_ups, arguments.seconds
            rounds(stack.settings, routes, source, WARM_UP_RATE, warm_ups)
            found = [at_rate(stack.settings, routes, source, rate, arguments) for rate in arguments.rates]
    bounds = [
        most(f"p99 / four bare hops, {each['payments_per_second']:,}/s", each["p99_ratio"], arguments.limit)
        for each in found
    ]
    return conclude({"rounds": arguments.rounds, "seconds": arguments.seconds, "rates": found}, bounds)


def stack_of(folder: Path) -> Stack:
    """Return a whole stack in which training takes examples in and learns, but fits no new models.

    Half a day of event time goes by in a second, and the planted model's histograms fit to nothing: a
    refit would begin every other second that would begin once a week.
    """
    settings = folder_settings(folder)
    never = settings.training.model_copy(update={"refit_days": NEVER_DAYS, "alarm_gap_days": NEVER_DAYS})
    settings = settings.model_copy(update={"training": never})
    return Stack(folder, settings=settings, kafka=Kafka(folder / "kafka", lasting=True))


def at_rate(
    settings: Settings,
    routes: dict[str, Route],
    source: Source,
    rate: float,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Return quantiles and CPU shares of both chains at a rate, over all rounds."""
    for route in routes.values():
        route.forget()
    rounds(settings, routes, source, rate, (arguments.rounds, arguments.seconds))
    latencies = {name: np.concatenate(route.found) for name, route in routes.items()}
    p99 = {name: float(np.quantile(found, 0.99)) for name, found in latencies.items()}
    for name, route in routes.items():
        print(f"CPU, share of a core, {name}: {json.dumps(route.times.shares())}", file=sys.stderr)
    return {
        "payments_per_second": round(rate),
        **{name: quantiles(found) for name, found in latencies.items()},
        "p99_ratio": rounded(p99[CHAIN] / p99[BARE]),
        "cpu_shares": {name: route.times.shares() for name, route in routes.items()},
    }


def rounds(
    settings: Settings, routes: dict[str, Route], source: Source, rate: float, timing: tuple[int, float]
) -> None:
    """Send the same payments through both chains, round by round; each begins when all is quiet."""
    number, seconds = timing
    for round_number in range(number):
        payments = source.take(int(rate * seconds))
        for name, route in routes.items():
            route.measure(settings, payments.named() if name == BARE else payments, rate)
            print(f"{rate:g}/s, round {round_number}: {name} {quantiles(route.found[-1])}", file=sys.stderr)
            await_quiet(settings)


def routes_of(stack: Stack, hops: Mapping[str, Child]) -> dict[str, Route]:
    """Return the bare hops and the chain."""
    topics, processes = hop.names(), cpu.pids(stack, hops)
    bare = Route(topics[0], topics[-1], Sender(stack.settings), cpu.CpuTimes(processes))
    return {CHAIN: chain_of(stack, processes), BARE: bare}


def chain_of(stack: Stack, processes: Mapping[str, int]) -> Route:
    """Return the way through all services."""
    raw, scores = (stack.settings.topic(name) for name in ("transactions.raw.v1", "scores.v1"))
    return Route(raw, scores, Sender(stack.settings), cpu.CpuTimes(processes))


def quantiles(latencies: Milliseconds) -> dict[str, float]:
    """Return p50, p99 and p99.9 in milliseconds."""
    return {name: round(float(np.quantile(latencies, share)), 1) for name, share in QUANTILES.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("latency", description=__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[5000.0], help="payments/s (%(default)s)")
    parser.add_argument("--limit", type=float, default=LIMIT_RATIO, help="of the p99 ratio (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds that count, of each rate")
    parser.add_argument("--warm-ups", type=int, default=3, help="rounds at 5,000/s before them (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
