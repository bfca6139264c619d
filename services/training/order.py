"""One order for the examples of all partitions, that the log alone decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import polars as pl

ORDER = ("at", "partition", "offset")
SLACK_LAGS = 2
"""Label lags: by one a label counts after its time, by one a replay lets partitions come apart."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition is merged: the next offset, and its clock there (microseconds)."""

    offset: int
    clock: int


@dataclass(slots=True)
class Merge:
    """Merges partitions by ``at``: the latest time at which a label of the partition counted so far.

    Since ``at`` never falls within a partition, the order (at, partition, offset) does not depend on how
    the partitions were read. A partition that is read to its end holds the others back by at most
    ``slack`` microseconds of event time.

    Examples
    --------
    >>> merge = Merge(partitions=2, slack=10)
    >>> merge.add(pl.DataFrame({"partition": [0, 0], "offset": [0, 1], "known_at": [5, 9]}))
    >>> merge.limit(at_end=()) is None
    True
    >>> merge.add(pl.DataFrame({"partition": [1], "offset": [0], "known_at": [7]}))
    >>> merge.take(merge.limit(at_end=()))["at"].to_list()
    [5]
    """

    partitions: int
    slack: int
    reached: dict[int, Reached] = field(default_factory=dict)
    """By partition, up to and with what was taken."""
    _clocks: dict[int, int] = field(default_factory=dict)
    _waiting: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clocks = {partition: reached.clock for partition, reached in self.reached.items()}

    @property
    def clocks(self) -> Mapping[int, int]:
        """The clock of each partition, up to and with what was added."""
        return self._clocks

    @property
    def waiting(self) -> int:
        """Number of rows that are still to be taken."""
        return sum(frame.height for frame in self._waiting)

    @property
    def first(self) -> int | None:
        """The earliest ``at`` of the rows that are still to be taken; None where there are none."""
        return min((int(frame["at"].min()) for frame in self._waiting), default=None)  # type: ignore[arg-type]

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows with partition, offset and known_at, those of a partition in the order of its log."""
        for (partition,), found in rows.group_by("partition", maintain_order=True):
            before = self._clocks.get(int(str(partition)), 0)
            clocked = found.with_columns(at=pl.max_horizontal(pl.col("known_at").cum_max(), before))
            self._clocks[int(str(partition))] = int(clocked["at"][-1])
            self._waiting.append(clocked)

    def limit(self, at_end: Collection[int]) -> int | None:
        """Return the time before which no more row can come; None while a partition is unknown."""
        newest = max(self._clocks.values(), default=None)
        if newest is None:
            return None
        found = []
        for partition in range(self.partitions):
            clock = self._clocks.get(partition)
            if partition in at_end:
                clock = max(newest - self.slack, clock or 0)
            if clock is None:
                return None
            found.append(clock)
        return min(found)

    def take(self, limit: int) -> pl.DataFrame:
        """Return the rows with ``at`` below the limit, in order."""
        if not self._waiting:
            return pl.DataFrame()
        rows = pl.concat(self._waiting)
        is_due = rows["at"] < limit
        taken, left = rows.filter(is_due), rows.filter(~is_due)
        self._waiting = [left] if left.height else []
        for partition, offset, at in (
            taken.group_by("partition").agg(pl.col("offset").max(), pl.col("at").max()).iter_rows()
        ):
            self.reached[partition] = Reached(offset + 1, at)
        return taken.sort(ORDER)
