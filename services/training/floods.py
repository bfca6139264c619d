"""Floods of labels: days on which an origin or a terminal gets more labels than can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import numpy.typing as npt
import polars as pl

from services.training.recipe import READ_DAYS
from services.training.split import DAY
from shared.policy import GuardsPolicy

ORIGIN, TERMINAL = "label_origin", "terminal_id"
COLUMNS = (TERMINAL, ORIGIN, "label_time", "is_implied")
FLOOD_DAYS = READ_DAYS
"""Event days whose labels tell what is usual of an origin: as many as a refit reads."""


@dataclass(frozen=True, slots=True)
class Flood:
    """One day's labels from one origin or onto one terminal."""

    by: str
    """Column: label_origin or terminal_id."""
    name: str
    day: int
    """Days since 1970-01-01 UTC, by label_time."""
    labels: int
    limit: int

    @property
    def sentence(self) -> str:
        """What happened."""
        what = f"from origin {self.name}" if self.by == ORIGIN else f"onto terminal {self.name}"
        return f"{self.labels} explicit labels {what} on one day; none of them is learned from"


def floods(rows: pl.DataFrame, guards: GuardsPolicy) -> tuple[npt.NDArray[np.bool_], list[Flood]]:
    """Return which labelled payments belong to a flood, and the floods by day; the rest may be learned from.

    All of a flooded day's labels are left out, since which of them are true is not known. An origin's limit
    follows the median of its other days, so that it grows with the traffic; without any it is the least.

    Parameters
    ----------
    rows
        With `COLUMNS`, label_time in microseconds.

    Examples
    --------
    >>> rows = pl.DataFrame({
    ...     "terminal_id": ["m", "m", "m", "n"], "label_origin": ["customer"] * 4,
    ...     "label_time": [5, 6, 7, 8], "is_implied": [False] * 4,
    ... })
    >>> guards = GuardsPolicy(declines_per_hour=1, labels_per_terminal_day=2, flood_least=9, flood_ratio=2.0)
    >>> mask, found = floods(rows, guards)
    >>> mask.tolist(), found[0].sentence
    ([True, True, True, False], '3 explicit labels onto terminal m on one day; none of them is learned from')
    """
    told = rows.select(TERMINAL, ORIGIN, "is_implied", day=pl.col("label_time") // DAY).with_row_index("row")
    explicit = told.filter(~pl.col("is_implied"))
    terminals = _days(explicit, TERMINAL).with_columns(limit=pl.lit(guards.labels_per_terminal_day, pl.Int64))
    mask = np.zeros(rows.height, np.bool_)
    if not explicit.height:
        return mask, []
    origins = pl.concat(
        [
            each.with_columns(_limits(each["labels"], guards))
            for each in _days(explicit, ORIGIN).partition_by(ORIGIN)
        ]
    )
    found = []
    for by, days in ((ORIGIN, origins), (TERMINAL, terminals)):
        over = days.filter(pl.col("labels") > pl.col("limit")).sort("day", by)
        mask[explicit.join(over, on=[by, "day"], how="semi")["row"].to_numpy()] = True
        found += [Flood(by, *row) for row in over.select(by, "day", "labels", "limit").iter_rows()]
    return mask, found


@dataclass(slots=True)
class Cap:
    """Counts explicit labels as they come, for who learns from each at once.

    Of a flood it lets through what comes before the limit: that it is one is not known until then.
    """

    _origins: dict[str, dict[int, int]] = field(default_factory=dict)
    _terminals: dict[tuple[str, int], int] = field(default_factory=dict)
    _day: int = 0

    def takes(self, terminal: str, origin: str, day: int, guards: GuardsPolicy) -> bool:
        """Count a label; return whether it is within the limits of its day.

        Examples
        --------
        >>> limits = {"labels_per_terminal_day": 2, "flood_least": 9, "flood_ratio": 2.0}
        >>> guards, cap = GuardsPolicy(declines_per_hour=1, **limits), Cap()
        >>> [cap.takes("m", "customer", 0, guards) for _ in range(3)], cap.takes("n", "customer", 0, guards)
        ([True, True, False], True)
        """
        if day > self._day:
            self._forget(day)
        days = self._origins.setdefault(origin, {})
        days[day] = days.get(day, 0) + 1
        onto = self._terminals[terminal, day] = self._terminals.get((terminal, day), 0) + 1
        limit = _limit([count for other, count in days.items() if other != day], guards)
        return onto <= guards.labels_per_terminal_day and days[day] <= limit

    def _forget(self, day: int) -> None:
        self._day = day
        self._terminals = {key: count for key, count in self._terminals.items() if key[1] >= day - 1}
        kept = {
            origin: {each: count for each, count in days.items() if each > day - FLOOD_DAYS}
            for origin, days in self._origins.items()
        }
        self._origins = {origin: days for origin, days in kept.items() if days}


def _limits(labels: pl.Series, guards: GuardsPolicy) -> pl.Series:
    counts = labels.to_list()
    limits = [_limit(counts[:day] + counts[day + 1 :], guards) for day in range(len(counts))]
    return pl.Series("limit", limits, pl.Int64)


def _limit(others: Sequence[int], guards: GuardsPolicy) -> int:
    """Return how many labels an origin may give on a day, by its other days."""
    usual = median(others) if others else 0
    return max(guards.flood_least, int(guards.flood_ratio * usual))


def _days(explicit: pl.DataFrame, by: str) -> pl.DataFrame:
    return explicit.group_by(by, "day").agg(labels=pl.len().cast(pl.Int64))
