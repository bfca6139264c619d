"""The simulated streams: a history, then 120 days; after 30 of them something changes, or nothing."""

from __future__ import annotations

from typing import Any

from services.replay.changes import Change
from services.replay.delayed import Delays
from services.replay.simulator import Simulation

HISTORY_DAYS = 58
"""Of which a first model is made by hand: windows and the labels of a training are full by then."""
DAYS = 120
CHANGE_DAY = HISTORY_DAYS + 30
"""Counted from the first of the history."""
CUSTOMERS = 500
SEEDS = (1, 2, 3)
DELAYS = Delays(1, 5)
CHANGES: dict[str, dict[str, Any]] = {
    "control": {},
    "abrupt": {"bursts": Change(CHANGE_DAY, 1.0, 0, 0.0)},
    "gradual": {"bursts": Change(CHANGE_DAY, 1.0, 5, 0.0)},
    "shift": {"frequency": Change(CHANGE_DAY, 2.0)},
}
"""What changes, by kind: leaked cards come to be used in bursts of small payments, at once or over five days;
customers pay twice as often."""


def simulation(kind: str, seed: int, days: int = DAYS) -> Simulation:
    """Return a stream of a kind with its history before."""
    return Simulation(
        customers=CUSTOMERS,
        terminals=2 * CUSTOMERS,
        days=HISTORY_DAYS + days,
        seed=seed,
        compromised_terminals=0.5,
        compromised_customers=0.6,
        **CHANGES[kind],
    )


def first_changed_fraud(kind: str, seed: int) -> int | None:
    """Return the event time of the first fraud of the new kind, microseconds; None where there is none."""
    if "bursts" not in CHANGES[kind]:
        return None
    changed, unchanged = simulation(kind, seed), simulation("control", seed)
    for day in range(CHANGE_DAY, changed.days):
        frauds = changed.day(day).filter(label="fraud")
        known = unchanged.day(day).filter(label="fraud")
        fresh = frauds.join(known, on=["event_time", "customer_id", "terminal_id"], how="anti")
        if fresh.height:
            first: int = fresh["event_time"].min()  # type: ignore[assignment]
            return first
    return None
