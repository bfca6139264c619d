"""Labels that come days after their payments, drawn by transaction id: the same ones each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

DAY = 86_400_000_000
CORRECTED_AFTER = 2 * DAY
LATE_BY = 30 * DAY
FRACTION_BITS = 64


class DelayedLabel(NamedTuple):
    """A label, ordered by when it is delivered; times in microseconds UTC."""

    label_time: int
    transaction_id: str
    label: str
    origin: str


@dataclass(frozen=True)
class Delays:
    """How labels come.

    ``least`` and ``most`` bound the delay in days, drawn evenly; each ``seed`` is another draw. Shares: of
    genuine payments that get a label at all (frauds always do), of labels sent twice, of fraud labels later
    corrected to genuine, and of labels that come 30 days later still.
    """

    least: float = 1.0
    most: float = 5.0
    genuine_share: float = 0.0
    repeated_share: float = 0.0
    corrected_share: float = 0.0
    late_share: float = 0.0
    seed: int = 0

    def labels(self, payments: pl.DataFrame) -> Iterator[DelayedLabel]:
        """Yield the labels of payments."""
        known = payments.select("transaction_id", "event_time", "label").drop_nulls()
        if not self.genuine_share:
            known = known.filter(pl.col("label") == "fraud")
        for transaction_id, event_time, label in known.iter_rows():
            if label == "fraud" or fraction("is given", transaction_id) < self.genuine_share:
                yield from self._of(transaction_id, event_time, label)

    def _of(self, transaction_id: str, event_time: int, label: str) -> Iterator[DelayedLabel]:
        draw = f"delay {self.seed}" if self.seed else "delay"
        days = self.least + (self.most - self.least) * fraction(draw, transaction_id)
        time = event_time + int(days * DAY)
        if self._happens("late", transaction_id, self.late_share):
            time += LATE_BY
        origin = "chargeback" if label == "fraud" else "investigation"
        first = DelayedLabel(time, transaction_id, label, origin)
        yield first
        if self._happens("repeated", transaction_id, self.repeated_share):
            yield first
        if label == "fraud" and self._happens("corrected", transaction_id, self.corrected_share):
            yield DelayedLabel(time + CORRECTED_AFTER, transaction_id, "genuine", "investigation")

    @staticmethod
    def _happens(what: str, transaction_id: str, share: float) -> bool:
        return bool(share) and fraction(what, transaction_id) < share


def fraction(what: str, transaction_id: str) -> float:
    """Return a number in [0, 1) drawn by what is asked and the id."""
    digest = hashlib.blake2b(f"{what} {transaction_id}".encode(), digest_size=FRACTION_BITS // 8).digest()
    return int.from_bytes(digest, "big") / (1 << FRACTION_BITS)
