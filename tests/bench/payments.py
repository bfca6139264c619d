"""Simulated payments as raw records, the same ones each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from services.replay.records import FORMATS
from services.replay.simulator import Simulation

DAYS = 365

Message = dict[str, Any]
"""Key and value, as a producer takes them."""


@dataclass(frozen=True, slots=True)
class Payments:
    """Payments in the order of event time: raw records for a producer, and their transaction ids."""

    ids: list[bytes]
    messages: list[Message]

    def __len__(self) -> int:
        return len(self.ids)

    def named(self) -> Payments:
        """Return them keyed by transaction id, as scores are."""
        named = zip(self.ids, self.messages, strict=True)
        return Payments(self.ids, [{"key": name, "value": each["value"]} for name, each in named])


def simulated(count: int, form: str = "avro") -> Payments:
    """Return the first ``count`` payments of 5,000 customers."""
    return of_frame(simulated_frame(count), form)


def of_frame(frame: pl.DataFrame, form: str = "avro") -> Payments:
    """Return payments given as columns."""
    records = FORMATS[form][0](frame.drop("label"))
    ids = [name.encode() for name in frame["transaction_id"].to_list()]
    return Payments(ids, [{"key": key, "value": value} for key, value in records])


def simulated_frame(count: int) -> pl.DataFrame:
    """Return the same payments as columns."""
    return Source().frame(count)


class Source:
    """The payments of 5,000 customers, one part after the other."""

    def __init__(self) -> None:
        self._days = Simulation(customers=5000, terminals=5000, days=DAYS, seed=5).frames()
        self._left = pl.DataFrame()

    def take(self, count: int) -> Payments:
        """Return the next payments."""
        return of_frame(self.frame(count))

    def frame(self, count: int) -> pl.DataFrame:
        """Return the next payments as columns."""
        days = [self._left] if self._left.height else []
        while sum(day.height for day in days) < count:
            days.append(next(self._days))
        whole = pl.concat(days)
        self._left = whole[count:]
        return whole[:count]
