"""How fast a process empties a topic that was filled before: from the broker's counts, and by CPU second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.arrivals import Arrivals

POLL_SECONDS = 0.02
STALL_SECONDS = 60.0
WARM_SHARE = 0.1  # until so many are through, a process compiles, joins its group and fills its caches


@dataclass(frozen=True, slots=True)
class Drain:
    """Records and seconds from when a process was warm to the last record."""

    records: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def rate_per_core(self) -> float:
        """Records a second of CPU time, user and system, of the processes that were watched."""
        return self.records / self.cpu_seconds


def drain(
    arrivals: Arrivals, count: int, cpu_seconds: Callable[[], float], warm_share: float = WARM_SHARE
) -> Drain:
    """Return how fast records come out until all have come, counted from ``warm_share`` of them on.

    Raises
    ------
    AssertionError
        If nothing comes for a minute.
    """
    begin = last = (0, time.monotonic(), 0.0)
    is_warm = False
    while last[0] < count:
        found, now = arrivals.count(), time.monotonic()
        if found > last[0]:
            last = (found, now, cpu_seconds())
        if not is_warm and found >= count * warm_share:
            is_warm, begin = True, last
        if now > last[1] + STALL_SECONDS:
            raise AssertionError(f"only {last[0]} of {count} records came out")
        time.sleep(POLL_SECONDS)
    arrivals.close()
    return Drain(last[0] - begin[0], last[1] - begin[1], last[2] - begin[2])
