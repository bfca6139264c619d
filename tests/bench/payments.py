"""Simulated payments as raw records, the same ones each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from services.replay.records import FORMATS
from services.replay.simulator import Simulation

DAYS = 365


@dataclass(frozen=True, slots=True)
class Payments:
    """Payments in the order of event time: raw records for a producer, and their transaction ids."""

    ids: list[bytes]
    messages: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, first: int, count: int) -> Payments:
        """Return some of them."""
        return Payments(self.ids[first : first + count], self.messages[first : first + count])

    def named(self) -> Payments:
        """Return them keyed by transaction id, as scores are."""
        named = zip(self.ids, self.messages, strict=True)
        return Payments(self.ids, [{"key": name, "value": each["value"]} for name, each in named])


def simulated(count: int, form: str = "avro") -> Payments:
    """Return the first ``count`` payments of 5,000 customers."""
    frame = simulated_frame(count)
    records = FORMATS[form][0](frame.drop("label"))
    ids = [name.encode() for name in frame["transaction_id"].to_list()]
    return Payments(ids, [{"key": key, "value": value} for key, value in records])


def simulated_frame(count: int) -> pl.DataFrame:
    """Return the same payments as columns."""
    frames = Simulation(customers=5000, terminals=5000, days=DAYS, seed=5).frames()
    days: list[pl.DataFrame] = []
    while sum(day.height for day in days) < count:
        days.append(next(frames))
    return pl.concat(days).head(count)
