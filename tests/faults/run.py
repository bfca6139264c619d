"""`make faults`: faults of every kind under load, judged against one thread that took the same records.

The last line of stdout is one JSON object; the exit code is 1 when a bound is missed, and stderr names it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.bounds import Bound, conclude, least, most
from tests.faults import records, servers, services, state
from tests.faults.gap import offset_gone
from tests.faults.world import Size, World, judged, running

RECOVERY_SECONDS = 30.0
LEAVE_SECONDS = 10.0
INSIDE_BATCH = 5
FAULTS: dict[str, tuple[Callable[[World], dict[str, Any]], int]] = {
    "kills": (services.kills, 20),
    "broker_kills": (servers.broker_kills, 5),
    "redis_stops": (servers.redis_stops, 5),
    "checkpoints_deleted": (state.checkpoints_deleted, 2),
    "checkpoints_truncated": (state.checkpoints_truncated, 2),
    "checkpoints_corrupted": (state.checkpoints_corrupted, 2),
    "stores_deleted": (state.stores_deleted, 2),
    "zombies": (services.zombies, 6),
    "scaling": (services.scaling, 6),
    "redis_emptied": (servers.redis_emptied, 2),
    "redis_full": (servers.redis_full, 2),
    "partitions": (servers.partitions, 3),
    "stalled_connections": (servers.stalled_connections, 6),
    "disk_full": (state.disk_full, 3),
    "crashing": (records.crashing, 4),
    "broker_away": (servers.broker_away, 1),
    "stops": (services.stops, 20),
}
"""Each fault, and how often it happens in a whole run."""
EVIDENCE = {"starts_in_vain": "starts in vain while the disk is full", "stalled": "connections stalled"}
"""What a trial counts that shows that its fault bit."""
GAP = "offset_gone"
"""Comes last, when all is judged: it deletes records."""


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    payments = round(arguments.payments * arguments.share)
    size = Size(payments, arguments.entities, arguments.rate, arguments.seed, arguments.share)
    whole = {**{fault: times for fault, (_, times) in FAULTS.items()}, GAP: 1}
    chosen = {fault: max(1, round(whole[fault] * arguments.share)) for fault in arguments.only or whole}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        result, held = run(Path(folder), size, chosen)
    return conclude({**result, "seconds": round(time.monotonic() - began)}, held)


def run(folder: Path, size: Size, chosen: Mapping[str, int]) -> tuple[dict[str, Any], list[Bound]]:
    """Let faults happen, each so many times; return the result and what must hold in it."""
    order = [fault for fault, times in chosen.items() if fault in FAULTS for _ in range(times)]
    random.Random(size.seed).shuffle(order)
    with running(folder, replace(size, trials=len(order))) as world:
        for fault in order:
            world.trial(fault, FAULTS[fault][0])
        verdict = judged(world, folder)
        if GAP in chosen:
            verdict[GAP] = offset_gone(world)
    result = {"seed": size.seed, **verdict, "trials": summed(world.trials)}
    return result, bounds(verdict, world.trials)


def summed(trials: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return how often each fault happened, its slowest recovery, and what else it counts."""
    found: dict[str, dict[str, Any]] = {}
    for trial in trials:
        row = found.setdefault(trial["fault"], {"trials": 0, "slowest_recovery_seconds": 0.0})
        row["trials"] += 1
        row["slowest_recovery_seconds"] = max(row["slowest_recovery_seconds"], trial["recovery_seconds"])
        for name in ("kills", "inside_batch", *EVIDENCE):
            if name in trial:
                row[name] = row.get(name, 0) + trial[name]
    return found


def bounds(verdict: dict[str, Any], trials: Sequence[dict[str, Any]]) -> list[Bound]:
    """Return what must hold."""
    found = [
        most(f"{name}, {reader}", count, 0)
        for reader in ("reader_during", "reader_after", "facts")
        for name, count in verdict[reader].items()
    ]
    rows = summed(trials)
    found += [
        most(f"recovery after {fault}, seconds", row["slowest_recovery_seconds"], RECOVERY_SECONDS)
        for fault, row in rows.items()
    ]
    found += _of_trials(trials)
    if GAP in verdict:
        silent = sum(not each for each in verdict[GAP].values())
        found.append(most("deleted records passed over, or for ever", silent, 0))
    if "kills" in rows and rows["kills"]["trials"] >= INSIDE_BATCH:  # of fewer, all may land between batches
        found.append(least("kills inside a batch", rows["kills"]["inside_batch"], INSIDE_BATCH))
    return found


def _of_trials(trials: Sequence[dict[str, Any]]) -> list[Bound]:
    found = []
    leaving = [trial["leave_seconds"] for trial in trials if "leave_seconds" in trial]
    if leaving:
        found.append(most("leaving after SIGTERM, seconds", max(leaving), LEAVE_SECONDS))
    codes = [code for trial in trials for code in trial.get("exit_codes", ())]
    if codes:
        found.append(most("exit codes after SIGTERM that are not 0", sum(map(bool, codes)), 0))
    cached = [trial["cached_seconds"] for trial in trials if "cached_seconds" in trial]
    if cached:
        found.append(most("until the cache holds the newest, seconds", max(cached), RECOVERY_SECONDS))
    for name, what in EVIDENCE.items():
        counts = [trial[name] for trial in trials if name in trial]
        if counts:
            found.append(least(f"{what}, each time", min(counts), 1))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("faults", description=__doc__)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the repetitions and payments (%(default)s)"
    )
    parser.add_argument("--payments", type=int, default=100_000, help="at least so many (%(default)s)")
    parser.add_argument("--entities", type=int, default=10_000, help="customers and terminals (%(default)s)")
    parser.add_argument("--rate", type=float, default=150.0, help="payments a second (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the stack's files lie meanwhile")
    parser.add_argument("--only", nargs="+", choices=[*FAULTS, GAP], help="these faults alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
