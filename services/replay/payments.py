"""Payments to be played, as columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import polars as pl

REQUIRED = {
    "transaction_id": pl.String,
    "event_time": pl.Int64,
    "customer_id": pl.String,
    "terminal_id": pl.String,
    "amount": pl.Int64,
    "currency": pl.String,
}
OPTIONAL = ("channel", "merchant_category", "country", "device_id", "card_number")
LABEL = "label"


class Source(Protocol):
    """Where payments come from, the same ones each time.

    Frames hold the columns of ``REQUIRED`` (event_time in microseconds UTC), any of ``OPTIONAL``, and
    ``label``: fraud, genuine, or null where it is not known. Rows are in the order of event time, and so
    are the frames.
    """

    @property
    def name(self) -> str:
        """Name for progress files."""
        ...

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the payments."""
        ...

    def total(self) -> int | None:
        """Return the number of payments; None where that is not known."""
        ...
