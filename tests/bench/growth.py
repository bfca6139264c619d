"""What grows with entities, windows, retained payments, partitions and instances, and what a restart costs.

Cost is CPU time of a payment. Limits say what is due: twice the cost where the state is a hundred or a
thousand times as large (searching is logarithmic, and a large state misses the processor's caches), four
times where there are four times as many windows, little more where the same work is dealt out. Bytes are
those of the state and of its snapshot: more windows add none, since they share the rows; an entity adds its
own. The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.local.ports import HOST, free_port
from shared.settings import Settings
from tests.bench import state_growth, window_growth, world
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import Bound, conclude, least, most, rounded
from tests.bench.cpu import cpu_seconds
from tests.bench.drain import WARM_SHARE, Drain, drain
from tests.bench.payments import simulated
from tests.bench.sending import Sender
from tests.bench.window_growth import DAYS_OF_3, DAYS_OF_12, Cost

MOST_BYTES = 32.0
MOST_WINDOW_BYTES = 1.1  # of what fewer windows take; one is due, the rest is for rows in unlike places
MOST_ENTITY_BYTES = 96.0  # four rows of 16, the least it can have; 13 of its place; in a snapshot 4 + 8 + id
MOST_STALL_MS = 20.0
MOST_RESTORE_SECONDS = 5.0
LEAST_REBUILT = 100_000.0
DUE = {"entities": 2.0, "windows": 4.0, "retained": 2.0, "partitions": 2.0, "instances": 1.25}
PAYMENTS_OF_ENTITY = 50
POLL_SECONDS = 0.05
STALL_SECONDS = 60.0
FEATURES = ("features.customer", "transactions.v1", "features.customer.v1")


def main() -> int:
    """Run the command; return the exit code."""
    scale = _arguments().scale
    result, bounds = {}, []
    for part in (windows, states, services):
        found, missed_or_not = part(scale)
        result |= found
        bounds += missed_or_not
    return conclude(result, bounds)


def windows(scale: float) -> tuple[dict[str, Any], list[Bound]]:
    """Return costs of the window state alone, and their bounds."""
    million = int(1_000_000 * scale)
    entities = [window_growth.cost(max(int(number * scale), 10), million) for number in (1e3, 1e4, 1e5, 1e6)]
    by_windows = [window_growth.cost(20_000, million, days) for days in (DAYS_OF_3, DAYS_OF_12)]
    sizes = [int(number * scale) for number in (1e5, 1e6, 1e7)]
    retained = [window_growth.cost(size // PAYMENTS_OF_ENTITY, size) for size in sizes]
    series = {"entities": entities, "windows": by_windows, "retained": retained}
    bounds = [_due(name, costs[0].nanoseconds, costs[-1].nanoseconds) for name, costs in series.items()]
    by_number = _bytes(by_windows[-1]) / _bytes(by_windows[0])
    bounds += [
        most("bytes a payment, growth with windows", by_number, MOST_WINDOW_BYTES),
        most("bytes that an entity adds", _entity_bytes(entities[0], entities[-1]), MOST_ENTITY_BYTES),
    ]
    bounds += [
        most(f"bytes a payment, {each.retained:,} retained", each.state_bytes, MOST_BYTES)
        for each in retained
    ]
    return {name: [_row(each) for each in costs] for name, costs in series.items()}, bounds


def states(scale: float) -> tuple[dict[str, Any], list[Bound]]:
    """Return what partitions, checkpoints and restarts cost the features stage, and the bounds."""
    content = state_growth.records(int(1_000_000 * scale))
    part = content[: len(content) // 4]
    partitions = {str(each): rounded(state_growth.nanoseconds(part, each)) for each in (1, 4, 16)}
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = {str(each): state_growth.checkpoints(content, each, Path(folder)) for each in (1, 4)}
    bounds = [_due("partitions", partitions["1"], partitions["16"])]
    for each, found in checkpoints.items():
        title = f"{len(content):,} payments in {each} partition{'s' * (each != '1')}"
        bounds.append(most(f"checkpoint stall, ms, {title}", found["stall_ms"], MOST_STALL_MS))
        bounds.append(most(f"restore, seconds, {title}", found["restore_seconds"], MOST_RESTORE_SECONDS))
    rows = {
        each: {name: rounded(value) for name, value in found.items()} for each, found in checkpoints.items()
    }
    return {"partitions_nanoseconds": partitions, "checkpoints": rows}, bounds


def services(scale: float) -> tuple[dict[str, Any], list[Bound]]:
    """Return what a second instance and a rebuild without checkpoint cost, on a real broker."""
    payments = int(400_000 * scale)
    with tempfile.TemporaryDirectory() as folder, world.running(Path(folder)) as running:
        one = running.settings("one", is_cached=False)
        Sender(one).at_once(one.topic("transactions.raw.v1"), simulated(payments))
        with running.service("ingest", one) as child:
            drain(Arrivals(one, one.topic("transactions.v1")), payments, lambda: cpu_seconds(child.pid))
        single = instances(running, one, payments, 1)
        rebuilt = rebuild(running, one, payments)
        two = running.settings("two", is_cached=False)
        Sender(two).at_once(two.topic("transactions.raw.v1"), simulated(payments))
        with running.service("ingest", two) as child:
            drain(Arrivals(two, two.topic("transactions.v1")), payments, lambda: cpu_seconds(child.pid))
        double = instances(running, two, payments, 2)
    costs = {"1": _microseconds(single), "2": _microseconds(double)}
    bounds = [
        _due("instances", costs["1"], costs["2"]),
        least("rebuild without checkpoint, payments a second of CPU", rebuilt.rate_per_core, LEAST_REBUILT),
    ]
    rows = {"per_second": round(rebuilt.rate), "per_core_second": round(rebuilt.rate_per_core)}
    return {"instances_microseconds": costs, "rebuild": rows}, bounds


def instances(running: world.World, settings: Settings, payments: int, number: int) -> Drain:
    """Return how fast so many instances of features[customer] empty their topic."""
    service, _, output = FEATURES
    arrivals = Arrivals(settings, settings.topic(output))
    with running.services(service, settings, number) as children:
        return drain(arrivals, payments, lambda: sum(cpu_seconds(child.pid) for child in children))


def rebuild(running: world.World, settings: Settings, payments: int) -> Drain:
    """Return how fast features[customer] takes its whole log again when its checkpoints are gone."""
    service, topic, _ = FEATURES
    shutil.rmtree(settings.state_folder)
    port = free_port()
    counter = f'millrace_records_total{{result="taken",topic="{topic}"}}'
    begin, deadline = None, time.monotonic() + STALL_SECONDS
    with running.service(service, settings.model_copy(update={"http_port": port})) as child:
        while time.monotonic() < deadline:
            taken, now, spent = metric(port, counter), time.monotonic(), cpu_seconds(child.pid)
            if begin is None and taken >= payments * WARM_SHARE:
                begin = (taken, now, spent)
            if begin is not None and taken >= payments:
                return Drain(int(taken - begin[0]), now - begin[1], spent - begin[2])
            time.sleep(POLL_SECONDS)
    raise AssertionError(f"{service} took {taken:,.0f} of {payments:,} payments in a minute")


def metric(port: int, name: str) -> float:
    """Return the value of a metric of a service; 0 while it does not answer or has none."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=1) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0.0
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def _due(name: str, small: float, large: float) -> Bound:
    return most(f"cost of a payment, growth with {name}", large / small, DUE[name])


def _bytes(cost: Cost) -> float:
    return cost.state_bytes + cost.snapshot_bytes


def _entity_bytes(few: Cost, many: Cost) -> float:
    added = many.retained * (_bytes(many) - _bytes(few))
    return added / (many.entities - few.entities)


def _row(cost: Cost) -> dict[str, float]:
    return {name: rounded(value) for name, value in asdict(cost).items()}


def _microseconds(found: Drain) -> float:
    return rounded(1e6 / found.rate_per_core)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("growth", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes, to try the command out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
