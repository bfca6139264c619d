"""Bounds: what was measured, the limit, and whether it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """A measured value that must be at least, or at most, a limit."""

    name: str
    measured: float
    limit: float
    is_least: bool = True

    @property
    def is_ok(self) -> bool:
        """Whether the bound holds; a value that is not a number holds none."""
        return self.measured >= self.limit if self.is_least else self.measured <= self.limit

    def row(self) -> dict[str, Any]:
        """Return it for a result."""
        kind = "at_least" if self.is_least else "at_most"
        return {"name": self.name, "measured": rounded(self.measured), kind: self.limit, "is_ok": self.is_ok}


def least(name: str, measured: float, limit: float) -> Bound:
    """Return the bound of a value that must reach a limit."""
    return Bound(name, measured, limit)


def most(name: str, measured: float, limit: float) -> Bound:
    """Return the bound of a value that may not pass a limit."""
    return Bound(name, measured, limit, is_least=False)


def conclude(result: dict[str, Any], bounds: Sequence[Bound]) -> int:
    """Print a result with its bounds as the last line of stdout; return the exit code."""
    is_ok = all(bound.is_ok for bound in bounds)
    for bound in bounds:
        if not bound.is_ok:
            print(f"missed: {bound.row()}", file=sys.stderr)
    print(json.dumps({**result, "bounds": [bound.row() for bound in bounds], "is_ok": is_ok}))
    return 0 if is_ok else 1


def last_result(command: Sequence[str]) -> dict[str, Any]:
    """Run a command and return the result on its last line; one that gives none is not ok."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    last = done.stdout.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        return {"is_ok": False, "failed": f"exit code {done.returncode} and no result"}
    result: dict[str, Any] = json.loads(last)
    return result


def rounded(value: float) -> float:
    """Return a value to four significant digits.

    Examples
    --------
    >>> rounded(0.123456), rounded(123456.0)
    (0.1235, 123500.0)
    """
    return float(f"{value:.4g}")
