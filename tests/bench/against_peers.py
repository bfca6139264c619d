"""Customer windows over 1, 7 and 30 days beside four peers: payments a second of CPU, and exactness.

The same payments in JSON for all. Ours is ingest and features[customer] together, which also check each
payment, recognise repeats and compute nine more features; the features stage alone stands beside it.
A peer runs by itself, as its users would write it; its CPU time is counted once it is warm. Windows are
compared with the independent pandas implementation. The last line of stdout is one JSON object; the exit
code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deploy.local import processes
from shared.features import definitions
from shared.settings import Settings
from shared.stream.clients import read_topic
from shared.wire import decode_columns, feature_matrix
from tests.accuracy.reference import TOLERANCE, customer_features
from tests.bench import hop, world
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import conclude, least
from tests.bench.cpu import cpu_seconds
from tests.bench.drain import Drain, drain
from tests.bench.payments import simulated, simulated_frame
from tests.bench.peer_programs import PEERS
from tests.bench.sending import Sender

ROUNDS = 2  # of ours, which takes a second of CPU, counted by the system in hundredths
WARM_SHARE = 0.4  # a Java virtual machine compiles for some tens of thousands of payments
SOURCE = "transactions.raw.v1"
COLUMNS = [f"customer_{kind}_{days}d" for days in (1, 7, 30) for kind in ("count", "mean_amount")]
EXACT = np.array(["count" in name for name in COLUMNS])
OURS = {"ingest": "transactions.v1", "features.customer": "features.customer.v1"}


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, world.running(Path(folder)) as running:
        payments, expected = simulated(arguments.payments, "json"), windows(arguments.payments)
        rounds = [running.settings(f"ours{number}", is_cached=False) for number in range(ROUNDS)]
        for settings in rounds:
            Sender(settings).at_once(settings.topic(SOURCE), payments)
        found = {"ours": ours(running, rounds, expected)}
        for name in arguments.peers:
            found[name] = measured(running, rounds[0], name, expected)
            print(f"{name}: {found[name]}", file=sys.stderr)
    own = found["ours"]["per_core_second"]
    bounds = [
        least(
            f"ours / {name}, payments per second of CPU",
            own / found[name]["per_core_second"],
            PEERS[name].least,
        )
        for name in arguments.peers
    ]
    bounds.append(least("our windows are exact", float(found["ours"]["is_exact"]), 1.0))
    return conclude({"payments": arguments.payments, "peers": found}, bounds)


def windows(payments: int) -> pd.DataFrame:
    """Return the windows of the payments by the independent implementation, by transaction id."""
    table = simulated_frame(payments).to_pandas()
    found = customer_features(table)[COLUMNS]
    return found.set_index(table["transaction_id"])


def ours(running: world.World, rounds: list[Settings], expected: pd.DataFrame) -> dict[str, Any]:
    """Return our rate over both services, that of each alone, and how exact it is, over all rounds."""
    drains: dict[str, list[Drain]] = {service: [] for service in OURS}
    found = []
    for settings in rounds:
        for service, output in OURS.items():
            arrivals = Arrivals(settings, settings.topic(output))
            with running.service(service, settings) as child:
                cpu = partial(cpu_seconds, child.pid)
                drains[service].append(drain(arrivals, len(expected), cpu, WARM_SHARE))
        found.append(exactness(_rows(settings), expected))
    seconds = {
        service: sum(each.cpu_seconds for each in all_rounds) / sum(each.records for each in all_rounds)
        for service, all_rounds in drains.items()
    }
    alone = {f"{service}_per_core_second": round(1 / each) for service, each in seconds.items()}
    return {
        "per_core_second": round(1 / sum(seconds.values())),
        **alone,
        "is_exact": all(each["is_exact"] for each in found),
        "different": sum(each["different"] for each in found),
        "repeated": sum(each["repeated"] for each in found),
    }


def _rows(settings: Settings) -> pd.DataFrame:
    values = [each.value() or b"" for each in read_topic(settings, OURS["features.customer"])]
    frame = decode_columns(values)
    matrix, names = feature_matrix(frame, "customer_features"), definitions().entity("customer").names
    return pd.DataFrame(matrix, index=frame["transaction_id"].to_list(), columns=names)[COLUMNS]


def measured(running: world.World, settings: Settings, name: str, expected: pd.DataFrame) -> dict[str, Any]:
    """Return a peer's rate, and how exact its windows are."""
    topic = f"peer.{name}"
    target = settings.topic(topic)
    hop.make_topics(settings, [target])
    arrivals = Arrivals(settings, target)
    state = running.folder / name
    state.mkdir()
    addresses = {
        "BROKER": running.kafka.bootstrap,
        "SOURCE": settings.topic(SOURCE),
        "TARGET": target,
        "STATE": str(state),
    }
    log = running.folder / f"{name}.log"
    child = PEERS[name].start(log, addresses)
    try:
        found = drain(arrivals, len(expected), lambda: cpu_seconds(child.pid), WARM_SHARE)
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}; its log ends with: {processes.tail(log)}") from error
    finally:
        processes.kill(child)
    rows = pd.DataFrame([json.loads(each.value() or b"") for each in read_topic(settings, topic)])
    rates = {"per_second": round(found.rate), "per_core_second": round(found.rate_per_core)}
    return {**rates, **exactness(rows.set_index("transaction_id")[COLUMNS], expected)}


def exactness(rows: pd.DataFrame, expected: pd.DataFrame) -> dict[str, Any]:
    """Return whether every payment has one row whose windows are those of the reference; how many differ."""
    first = rows[~rows.index.duplicated()].reindex(expected.index)
    allowed = np.where(EXACT, 0.0, TOLERANCE) * np.abs(expected.to_numpy())
    is_close = np.abs(first.to_numpy(np.float64) - expected.to_numpy()) <= allowed
    different = int((~is_close.all(axis=1)).sum())
    repeated = len(rows) - len(expected)
    return {"is_exact": different == 0 and repeated == 0, "different": different, "repeated": repeated}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("against_peers", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--payments", type=int, default=240_000, help="records in the topic (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
