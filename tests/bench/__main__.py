"""Runs parts of the bench one after the other, keeps their results and makes the documents from them.

The last line of stdout is one JSON object with all results; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
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
WHOLE = "payments, labels, outcomes, Redis"


def main() -> int:
    """Run the command; return the exit code."""
    began, arguments = time.monotonic(), _arguments()
    found = {name: run(name, arguments.data) for name in arguments.parts}
    readme.write()
    scale.write()
    is_ok = all(each["is_ok"] for each in found.values())
    print(json.dumps({**found, "seconds": round(time.monotonic() - began), "is_ok": is_ok}))
    return 0 if is_ok else 1


def run(name: str, data: list[str]) -> dict[str, Any]:
    """Run a part in a process of its own and keep its result; a part that fails keeps nothing."""
    print(f"== {name}", file=sys.stderr)
    options = {"latency": latency_options(), "learning": data}.get(name, [])
    command = [sys.executable, "-m", f"tests.bench.{PARTS[name]}", *options]
    result = last_result(command)
    if "failed" not in result:
        results.keep(name, result)
    return result


def latency_options() -> list[str]:
    """Return the rates to try: the fixed ones, and a share of the capacity that was measured last."""
    found = results.kept("throughput")
    rates = [str(rate) for rate in RATES]
    if found is not None:
        capacity = found["result"]["full_load"][WHOLE]["chain"]["per_second"]
        rates.append(str(round(capacity * SHARE_OF_CAPACITY)))
    return ["--rates", *rates, *LATENCY]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=BENCH, help=f"of {', '.join(PARTS)} (%(default)s)")
    parser.add_argument("--data", nargs=1, default=[], metavar="FILE", help="a history for `learning`")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
