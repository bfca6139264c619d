"""The decline-storm breaker: a cap on declines in an hour of event time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from services.scoring.scores import Codes
from shared.policy import Decision

HOUR = 3_600_000_000  # microseconds
DECLINE, REVIEW = int(Decision.DECLINE), int(Decision.REVIEW)


class Trip(NamedTuple):
    """The payment at which the cap of a partition and hour was passed."""

    partition: int
    event_time: int
    limit: int


class Breaker:
    """Counts declines by partition and hour; above the cap a decline becomes a review.

    Each partition has its even share of the cap and an hour of its own, that of the highest event time
    in it. So the outcome follows from a partition's records alone, and its state is two numbers.

    Parameters
    ----------
    declines_per_hour
        Of all partitions together; each gets its share, rounded up.
    """

    def __init__(self, declines_per_hour: int, partitions: int) -> None:
        self._limit = -(-declines_per_hour // partitions)
        self._hours = np.full(partitions, -1, np.int64)
        self._counts = np.zeros(partitions, np.int64)
        nothing = np.empty(0, np.int64)
        self.limit(nothing.astype(np.int32), nothing, nothing.astype(np.int8))  # compile before traffic

    def limit(
        self, partitions: npt.NDArray[np.int32], times: npt.NDArray[np.int64], decisions: Codes
    ) -> list[Trip]:
        """Turn declines above the cap into reviews, in place; return where the cap was passed."""
        state = self._hours, self._counts
        rows = _limit(partitions, times, decisions, state, self._limit)
        return [Trip(int(partitions[row]), int(times[row]), self._limit) for row in rows.tolist()]

    def state(self, partition: int) -> list[int]:
        """Return hour and declines of a partition."""
        return [int(self._hours[partition]), int(self._counts[partition])]

    def take(self, partition: int, state: Sequence[int] | None) -> None:
        """Go on from a state; from none where it is None."""
        self._hours[partition], self._counts[partition] = state or (-1, 0)


@numba.njit(cache=True)
def _limit(
    partitions: npt.NDArray[np.int32],
    times: npt.NDArray[np.int64],
    decisions: Codes,
    state: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    limit: int,
) -> npt.NDArray[np.int64]:
    hours, counts = state
    tripped = np.empty(len(times), np.int64)
    trips = 0
    for row in range(len(times)):
        partition, hour = partitions[row], times[row] // HOUR
        if hour > hours[partition]:
            hours[partition] = hour
            counts[partition] = 0
        if decisions[row] != DECLINE:
            continue
        counts[partition] += 1
        if counts[partition] > limit:
            decisions[row] = REVIEW
            if counts[partition] == limit + 1:
                tripped[trips] = row
                trips += 1
    return tripped[:trips]
