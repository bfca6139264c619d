"""When the next payments may be sent: in closed loop, at a multiple of real time, or at a rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from services.replay.pipeline import Pipeline
from shared.stream.clients import DependencyError

LOOK_SECONDS = 0.05  # each look asks the broker for the commits of six groups
STUCK_SECONDS = 120.0
STUCK_FITTING_SECONDS = 1800.0  # while a model is fitted, training commits nothing
MICROSECONDS = 1_000_000


class Pace(Protocol):
    """Holds the player back."""

    def wait(self, first: int, last: int, payments: int) -> None:
        """Return when payments with event times in [first, last] may be sent."""
        ...

    def close(self) -> None:
        """Release clients."""
        ...


class ClosedLoop:
    """As fast as the services go: never more than ``lag`` of event time ahead of the slowest commit.

    So a label is joined and counted before a payment comes that must see it, whatever the speed.
    """

    def __init__(
        self, pipeline: Pipeline, lag: int, flush: Callable[[], None], stuck_seconds: float = STUCK_SECONDS
    ) -> None:
        self._pipeline, self._lag, self._flush = pipeline, lag, flush
        self._stuck_seconds = stuck_seconds
        self._limit: int | None = None

    def wait(self, first: int, last: int, payments: int) -> None:
        """Return when the services are close enough behind.

        Raises
        ------
        DependencyError
            If one of them commits nothing for ``stuck_seconds``.
        """
        if self._limit is None:
            self._limit = first + self._lag
        if last <= self._limit:
            return
        self._flush()
        deadline, before = time.monotonic() + self._stuck_seconds, None
        while True:
            found = self._pipeline.slowest()
            reached = first if found is None else found[0]
            if reached is not None and last <= reached + self._lag:
                self._limit = max(self._limit, reached + self._lag)
                return
            if found != before:
                deadline, before = time.monotonic() + self._stuck_seconds, found
            if found is not None and time.monotonic() > deadline:
                raise DependencyError(
                    f"millrace.{found[1]} has committed nothing for {self._stuck_seconds:g} seconds; "
                    "see whether it runs (`millrace status`)"
                )
            time.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Close the clients."""
        self._pipeline.close()


class RealTime:
    """Event time goes ``speed`` times as fast as the clock."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start: tuple[float, int] | None = None

    def wait(self, first: int, last: int, payments: int) -> None:
        """Return when the clock has come to ``first``."""
        if self._start is None:
            self._start = time.monotonic(), first
        began, origin = self._start
        _sleep_until(began + (first - origin) / MICROSECONDS / self._speed)

    def close(self) -> None:
        """Do nothing."""


class Rate:
    """So many payments a second by the clock."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._began: float | None = None
        self._sent = 0

    def wait(self, first: int, last: int, payments: int) -> None:
        """Return when the payments sent so far have had their time."""
        if self._began is None:
            self._began = time.monotonic()
        _sleep_until(self._began + self._sent / self._per_second)
        self._sent += payments

    def close(self) -> None:
        """Do nothing."""


def _sleep_until(moment: float) -> None:
    remaining = moment - time.monotonic()
    if remaining > 0:
        time.sleep(remaining)
