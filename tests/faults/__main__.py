"""Runs parts of `make faults` one after the other, each in a process of its own; `make soak` is one of them.

Results of a whole run, not of a share of one, are kept and written into the README. The last line of stdout
is one JSON object with all results; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from tests.bench import readme, results
from tests.bench.bounds import last_result
from tests.faults.lifecycle import KILLS

PARTS = {
    "stream": "run",
    "poison": "poison",
    "overload": "overload",
    "teeth": "teeth",
    "lifecycle": "lifecycle",
    "lifecycle_live": "lifecycle_live",
    "publishes": "publishes",
    "soak": "soak",
}
WHOLE = 1.0
FAULTS = [name for name in PARTS if name != "soak"]
KILLED = ("lifecycle", "lifecycle_live")
"""Parts of which a share is a number of kills."""


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    found = {name: run(name, arguments.share) for name in arguments.parts}
    if arguments.share == WHOLE:
        readme.write()
    is_ok = all(each["is_ok"] for each in found.values())
    print(json.dumps({**found, "seconds": round(time.monotonic() - began), "is_ok": is_ok}))
    return 0 if is_ok else 1


def run(name: str, share: float) -> dict[str, Any]:
    """Run a part and keep the result of a whole one; one that gives none is not ok."""
    print(f"== {name}", file=sys.stderr, flush=True)
    options = ["--share", str(share)]
    if name in KILLED:
        options = ["--kills", str(max(1, round(KILLS * share)))]
    command = [sys.executable, "-m", f"tests.faults.{PARTS[name]}", *options]
    result = last_result(command)
    if share == WHOLE and "failed" not in result:
        results.keep(f"faults-{name}", {**result, "share": share})
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("faults", description=__doc__)
    parser.add_argument("parts", nargs="*", default=FAULTS, help=f"of {', '.join(PARTS)} (%(default)s)")
    parser.add_argument(
        "--share", type=float, default=WHOLE, help="of repetitions and payments (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
