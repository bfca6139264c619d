"""Runs parts of the bench one after the other, keeps their results and makes the documents from them.

The last line of stdout is one JSON object with all results; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from tests.bench import readme, results, scale
from tests.bench.bounds import last_result

PARTS = {
    "stages": "stages",
    "throughput": "throughput",
    "latency": "latency",
    "peers": "against_peers",
    "growth": "growth",
    "learning": "learning",
}
BENCH = ("stages", "throughput", "latency", "peers")
RATES = (1000, 2500, 5000, 10_000)
LATENCY = ("--seconds", "5", "--rounds", "2", "--warm-ups", "3", "--limit", "2")
SHARE_OF_CAPACITY = 0.8


def main() -> int:
    """Run the command; return the exit code."""
    began, arguments = time.monotonic(), _arguments()
    found: dict[str, dict[str, Any]] = {}
    for name in arguments.parts:
        options = {"latency": latency_options(found), "learning": arguments.data}.get(name, [])
        found[name] = run(name, options)
    readme.write()
    scale.write()
    is_ok = all(each["is_ok"] for each in found.values())
    print(json.dumps({**found, "seconds": round(time.monotonic() - began), "is_ok": is_ok}))
    return 0 if is_ok else 1


def run(name: str, options: list[str]) -> dict[str, Any]:
    """Run a part in a process of its own and keep its result; a part that fails keeps nothing."""
    print(f"== {name}", file=sys.stderr)
    command = [sys.executable, "-m", f"tests.bench.{PARTS[name]}", *options]
    result = last_result(command)
    if "failed" not in result:
        results.keep(name, result)
    return result


def latency_options(found: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the rates to try: the fixed ones, and a share of the capacity.

    That is of this run where throughput is among what was found, and the kept one otherwise. Where
    throughput failed there is none.
    """
    kept = results.kept("throughput") or {"result": {}}
    load = found.get("throughput", kept["result"]).get("full_load")
    rates = [str(rate) for rate in RATES]
    if load is not None:
        rates.append(str(round(load[scale.WHOLE]["chain"]["per_second"] * SHARE_OF_CAPACITY)))
    return ["--rates", *rates, *LATENCY]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=BENCH, help=f"of {', '.join(PARTS)} (%(default)s)")
    parser.add_argument("--data", nargs=1, default=[], metavar="FILE", help="a history for `learning`")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
