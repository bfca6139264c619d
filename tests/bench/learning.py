"""What learning costs: a refit on 60 days, the score's latency while models are learnt, the monitor by rate.

A refit runs as the training service starts it: a process of its own, at the lowest priority, with one thread
a library. First alone: seconds and memory, on the days of a history file or, without one, on simulated ones.
Then a whole stack at a steady rate, rounds in turn: training stopped, and training at work with a refit
beside it that begins with the round and outlasts it. Last the CPU time of the monitor at several rates, event
time going by equally fast. The last line of stdout is one JSON object; the exit code is 1 when a bound is
missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from deploy.local.stack import Stack, folder_settings
from services.cli.demo.story import ALL_GROUPS, await_quiet
from services.replay.history import History
from services.replay.pipeline import TRAINING
from services.replay.simulator import Simulation
from services.training.dataset import Dataset, Origin
from services.training.fitting import Before, Fitting
from services.training.order import Merge
from services.training.rows import example_rows
from services.training.schedule import Due
from services.training.split import DAY
from shared.features import definitions
from shared.settings import Settings
from tests.bench import cpu
from tests.bench.bounds import conclude, most, rounded
from tests.bench.latency import WARM_UP_RATE, Milliseconds, Route, chain_of, quantiles, stack_of
from tests.bench.payments import Source, of_frame
from tests.drift.single import Stream
from tests.faults.models import publish_model

REFIT_DAYS = 60
MOST_RATIO = 1.20
RATE, WARM_UPS, ROUNDS, SECONDS = 5000.0, 3, 8, 6.0
MONITOR_RATES = (100, 1000, 10_000)
MONITOR_SECONDS, MONITOR_DAYS, MONITOR_ROUNDS = 8.0, 4, 3
PAYMENTS_A_CUSTOMER_DAY = 2.0
WITHOUT, WITH = "training_stopped", "training_and_refit"
EVERYBODY = {**ALL_GROUPS, **TRAINING, "monitor": ("sketches.v1",)}
MIB = 1 << 20


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = folder_settings(folder / "alone")
        dataset = filled(folder / "dataset" / "examples", days_of(arguments.data), settings)
        with stack_of(folder / "stack") as stack:
            refit = refitted(dataset, stack.settings)
            publish_model(stack.settings)
            latency = latencies(stack, dataset)
        with stack_of(folder / "monitored") as stack:
            publish_model(stack.settings)
            monitor = monitored(stack)
    held = [
        most("p99 with learning and a refit / without", latency["p99_ratio"], MOST_RATIO),
        most("monitor's cost at the highest rate / at the lowest", monitor["ratio"], MOST_RATIO),
    ]
    result = {"refit": {"data": arguments.data.name if arguments.data else "simulated", **refit}}
    result |= {"latency": latency, "monitor": monitor, "seconds": round(time.monotonic() - began)}
    return conclude(result, held)


def days_of(file: Path | None) -> Iterator[pl.DataFrame]:
    """Yield payments until the labels of so many days are known, of a file or simulated."""
    source = History(file) if file else Simulation(days=2 * REFIT_DAYS, seed=1)
    end = None
    for frame in source.frames():
        first = int(frame["event_time"][0])
        end = first + REFIT_DAYS * DAY + definitions().horizon + 2 * DAY if end is None else end
        if first > end:
            return
        yield frame.filter(pl.col("event_time") <= end)


def filled(place: Path, frames: Iterator[pl.DataFrame], settings: Settings) -> Dataset:
    """Return a data set of the examples that the stages, in one thread, make of payments."""
    features = definitions()
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(Path(folder))
        for frame in frames:
            stream.play(frame)
        logs = stream.single.logs["examples.v1"]
    merge = Merge(len(logs), features.label_lag)
    for partition, log in enumerate(logs):
        places = [(partition, offset) for offset in range(len(log))]
        values = [record.value for record in log]
        merge.add(example_rows(values, places, features, settings.secret("dataset")))
    rows = merge.take(max(merge.clocks.values()))
    origin = Origin("bench", features.version, features.names, "")
    dataset = Dataset.open(place, settings.training.kept_days, origin)
    dataset.commit(dataset.standing(rows.drop("at")), rows, merge.reached, b"")
    return dataset


def begun(dataset: Dataset, settings: Settings) -> Fitting:
    """Begin a refit of a data set, as of its newest label."""
    as_of = max(each.clock for each in dataset.reached.values())
    return Fitting.start(dataset.folder, Due(as_of, "schedule"), settings, Before())


def refitted(dataset: Dataset, settings: Settings) -> dict[str, Any]:
    """Refit; return its seconds, its highest memory, and what came of it."""
    fitting, highest = begun(dataset, settings), 0
    process = psutil.Process(fitting.process.pid)
    while (outcome := fitting.outcome(0.1)) is None:
        highest = max(highest, process.memory_info().rss)
    steps = {each["step"]: each for each in fitting.progress()}
    return {
        "rows": steps["read"]["rows"],
        "seconds": outcome.seconds,
        "minutes": rounded(outcome.seconds / 60),
        "highest_mib": round(highest / MIB),
        "version": outcome.version,
        "refused": outcome.reason,
    }


def latencies(stack: Stack, dataset: Dataset) -> dict[str, Any]:
    """Return the latency from raw to score with training stopped, and with all that learns at work."""
    settings, source, training = stack.settings, Source(), stack.supervisor.pid("training")
    assert training is not None
    routes = {name: chain_of(stack, cpu.pids(stack, {})) for name in (WITHOUT, WITH)}
    for _ in range(WARM_UPS):
        routes[WITH].measure(settings, source.take(int(WARM_UP_RATE * SECONDS)), WARM_UP_RATE)
        await_quiet(settings, EVERYBODY)
    routes[WITH].forget()
    for number in range(ROUNDS):
        os.kill(training, signal.SIGSTOP)
        one_round(settings, routes[WITHOUT], source, f"{number}: {WITHOUT}")
        os.kill(training, signal.SIGCONT)
        await_quiet(settings, EVERYBODY)
        fitting = begun(dataset, settings)
        one_round(settings, routes[WITH], source, f"{number}: {WITH}")
        assert fitting.outcome(0.0) is None, "the refit ended before the round did"
        fitting.stop()
        await_quiet(settings, EVERYBODY)
    found: dict[str, Milliseconds] = {name: np.concatenate(each.found) for name, each in routes.items()}
    p99 = {name: float(np.quantile(each, 0.99)) for name, each in found.items()}
    return {
        "payments_per_second": round(RATE),
        **{name: quantiles(each) for name, each in found.items()},
        "p99_ratio": rounded(p99[WITH] / p99[WITHOUT]),
        "cpu_shares": {name: each.times.shares() for name, each in routes.items()},
    }


def one_round(settings: Settings, chosen: Route, source: Source, name: str) -> None:
    """Send payments at the rate and keep their latencies."""
    chosen.measure(settings, source.take(int(RATE * SECONDS)), RATE)
    print(f"learning: round {name} {quantiles(chosen.found[-1])}", file=sys.stderr, flush=True)


def monitored(stack: Stack) -> dict[str, Any]:
    """Return the CPU seconds of the monitor for each second of payments, by their rate."""
    chosen, monitor = chain_of(stack, {}), stack.supervisor.pid("monitor")
    assert monitor is not None
    costs: dict[int, list[float]] = {rate: [] for rate in MONITOR_RATES}
    start = Simulation().start
    for _ in range(MONITOR_ROUNDS):
        for rate in MONITOR_RATES:
            frame, start = paced(rate, start), start + MONITOR_DAYS * DAY
            before = cpu.cpu_seconds(monitor)
            chosen.sender.at_rate(chosen.source, of_frame(frame), rate)
            await_quiet(stack.settings, EVERYBODY)
            costs[rate].append((cpu.cpu_seconds(monitor) - before) / MONITOR_SECONDS)
            print(f"learning: monitor at {rate}/s: {costs[rate][-1]:.3f}", file=sys.stderr, flush=True)
    medians = {rate: float(np.median(found)) for rate, found in costs.items()}
    return {
        "cpu_seconds_a_second": {str(rate): rounded(cost) for rate, cost in medians.items()},
        "ratio": rounded(medians[MONITOR_RATES[-1]] / medians[MONITOR_RATES[0]]),
    }


def paced(rate: int, start: int) -> pl.DataFrame:
    """Return payments of so many days, as many customers as give the rate."""
    customers = round(rate * MONITOR_SECONDS / MONITOR_DAYS / PAYMENTS_A_CUSTOMER_DAY)
    days = Simulation(customers=customers, days=MONITOR_DAYS, seed=rate, start=start).frames()
    named = pl.format("{}-{}", pl.lit(start), "transaction_id")
    return pl.concat(list(days)).with_columns(transaction_id=named)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("learning", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="a history as `make accuracy` takes it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
