"""Time-ordered windows: train, wait for the labels, test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from services.training.examples import Examples

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Split:
    """Windows [start, end) of event time, microseconds, with the label delay between them."""

    train_start: int
    train_end: int
    test_start: int
    test_end: int

    @property
    def delay(self) -> int:
        """Time for which the labels of the newest training rows were waited for."""
        return self.test_start - self.train_end


def matured_until(examples: Examples) -> int:
    """Return the event time from which on labels are not all known yet.

    Frauds are told of early and genuine payments by the horizon, so the newest rows would be nearly
    all frauds. Where no label is implied, every row counts as known.
    """
    known = examples.rows.filter("is_implied")
    rows = known if known.height else examples.rows
    newest: int = rows["event_time"].max()  # type: ignore[assignment]
    return newest + 1


def split(end: int, days: int, delay_days: int, test_days: int) -> Split:
    """Return the windows that end at the last midnight UTC by ``end``.

    Examples
    --------
    >>> found = split(30 * DAY + 5, days=14, delay_days=7, test_days=7)
    >>> [each // DAY for each in (found.train_start, found.train_end, found.test_start, found.test_end)]
    [2, 16, 23, 30]
    """
    test_end = end // DAY * DAY
    test_start = test_end - test_days * DAY
    train_end = test_start - delay_days * DAY
    return Split(train_end - days * DAY, train_end, test_start, test_end)


def parts(examples: Examples, windows: Split) -> tuple[Examples, Examples]:
    """Return training rows, and test rows without the customers known to be compromised."""
    test = examples.within(windows.test_start, windows.test_end)
    return examples.within(windows.train_start, windows.train_end), test.where(
        ~is_known(examples, test, windows)
    )


def is_known(examples: Examples, test: Examples, windows: Split) -> npt.NDArray[np.bool_]:
    """Return which test rows are of customers known by the start of that day to be compromised.

    That is by a fraud since the start of training, at least the label delay ago; the rule of the
    Fraud Detection Handbook (Le Borgne et al., 2022, chapter 3.4).
    """
    frauds = examples.within(windows.train_start, windows.test_end).rows.filter("is_fraud")
    first = frauds.group_by("customer_id").agg(first_fraud=pl.col("event_time").min())
    joined = test.rows.join(first, on="customer_id", how="left", maintain_order="left")
    known_from = pl.col("event_time") // DAY * DAY - windows.delay
    known: npt.NDArray[np.bool_] = (
        joined.select((pl.col("first_fraud") < known_from).fill_null(False)).to_series().to_numpy()
    )
    return known
