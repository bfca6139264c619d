"""Waiting for a condition with a deadline, in place of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], T], timeout: float = 20.0, what: str = "the condition") -> T:
    """Return the first true value of a condition; fail the test when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {timeout:g} seconds; last: {value!r}")
        time.sleep(POLL_SECONDS)


def elapse(seconds: float) -> None:
    """Let time go by where the time itself is the test: a fault of a length, or at a random moment."""
    time.sleep(seconds)
