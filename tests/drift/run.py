"""`make drift`: simulated streams in which fraud or behaviour changes, or nothing does.

Each goes through the live services on a Kafka of its own, with training and monitor left to themselves. One
more at once than there are cores keeps these at work: no bound is one of speed.
With `--one-thread` the detectors alone are judged: the same stages without Kafka, one model by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

from services.cli.output import table
from shared.sketches import DAY
from shared.stream.clients import DependencyError
from tests.drift import detect, live, recovery, verdict
from tests.drift.kinds import CHANGES, DAYS, SEEDS, simulation

Row = dict[str, Any]
AT_ONCE = (os.cpu_count() or 1) + 1


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    began, rows, missed = time.monotonic(), [], []
    for row, sentences in judged(arguments):
        rows.append(row)
        missed += sentences
        print(f"drift: {json.dumps(row)}", file=sys.stderr, flush=True)
    print(table(verdict.summary(rows)), file=sys.stderr)
    for sentence in missed:
        print(f"drift: {sentence}", file=sys.stderr)
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"streams": rows, "missed": missed, "seconds": seconds, "is_ok": not missed}))
    return 1 if missed else 0


def judged(arguments: argparse.Namespace) -> Iterator[tuple[Row, list[str]]]:
    """Yield what each stream showed and the bounds that it misses, each judged in a process of its own."""
    judge = one_thread if arguments.one_thread else through_services
    streams = product(arguments.kinds, arguments.seeds)
    with ProcessPoolExecutor(arguments.at_once, get_context("spawn")) as pool:
        judging = [pool.submit(_judged, judge, kind, seed, arguments.days) for kind, seed in streams]
        yield from (each.result() for each in judging)


def through_services(kind: str, seed: int, days: int) -> tuple[Row, list[str]]:
    """Return what a stream through the live services showed, and a sentence for each bound that it misses."""
    source = simulation(kind, seed, days)
    found = live.observed(f"{kind} {seed}", source)
    row, missed = verdict.row(kind, seed, found.signals, days)
    recovered, late = recovery.recovery(kind, seed, found, source.start + source.days * DAY)
    promoted, lowered = recovery.promotions(kind, seed, found)
    return {**row, **recovered, "promotions": promoted}, [*missed, *late, *lowered]


def one_thread(kind: str, seed: int, days: int) -> tuple[Row, list[str]]:
    """Return what the detectors alone showed of a stream, and a sentence for each bound that they miss."""
    return verdict.row(kind, seed, detect.signals(simulation(kind, seed, days)), days)


def _judged(judge: Any, kind: str, seed: int, days: int) -> tuple[Row, list[str]]:
    began = time.monotonic()
    try:
        row, missed = judge(kind, seed, days)
    except (AssertionError, DependencyError) as error:
        row, missed = _empty(kind, seed), [f"{kind} {seed}: {error}"]
    return {**row, "seconds": round(time.monotonic() - began, 1)}, missed


def _empty(kind: str, seed: int) -> Row:
    return {"kind": kind, "seed": seed, "detectors": {}}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("drift", description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=tuple(CHANGES), default=tuple(CHANGES))
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--days", type=int, default=DAYS, help="of a stream, after its history (%(default)s)")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="streams (%(default)s)")
    parser.add_argument("--one-thread", action="store_true", help="the detectors alone, without Kafka")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
