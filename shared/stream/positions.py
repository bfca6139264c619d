"""Positions: which source records a stage has accepted, so that repeats fall away."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

NOTHING = -1


class Positions:
    """The highest source offset accepted, by input partition and upstream partition, of one topic."""

    def __init__(self) -> None:
        self._highest: npt.NDArray[np.int64] = np.full((1, 1), NOTHING, np.int64)

    def accept(
        self,
        partitions: npt.NDArray[np.int32],
        upstream: npt.NDArray[np.int32],
        offsets: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.bool_]:
        """Take records in order; return which of them are first copies.

        Parameters
        ----------
        partitions
            Input partition of each record, shape (n,).
        upstream, offsets
            Its source: partition and offset of the record from which it was made.

        Examples
        --------
        >>> at = lambda *numbers: np.array(numbers, np.int32)
        >>> Positions().accept(at(0, 0, 0, 0), at(1, 1, 1, 2), np.array([5, 6, 5, 5])).tolist()
        [True, True, False, True]
        """
        self._reach(int(partitions.max()), int(upstream.max()))
        return _accept(self._highest, partitions, upstream, offsets)

    def of(self, partition: int) -> list[int]:
        """Return the highest accepted source offset of each upstream partition, -1 for none."""
        if partition >= len(self._highest):
            return []
        highest: list[int] = self._highest[partition].tolist()
        return highest

    def put(self, partition: int, highest: list[int]) -> None:
        """Set the positions of an input partition."""
        self._reach(partition, max(len(highest) - 1, 0))
        self._highest[partition] = NOTHING
        self._highest[partition, : len(highest)] = highest

    def raise_to(self, partition: int, highest: list[int]) -> None:
        """Raise the positions of an input partition to at least these."""
        now = self.of(partition)
        width = max(len(now), len(highest))
        padded = [side + [NOTHING] * (width - len(side)) for side in (now, highest)]
        self.put(partition, [max(pair) for pair in zip(*padded, strict=True)])

    def _reach(self, partition: int, upstream: int) -> None:
        rows, columns = self._highest.shape
        if partition < rows and upstream < columns:
            return
        wider = np.full((max(rows, partition + 1), max(columns, upstream + 1)), NOTHING, np.int64)
        wider[:rows, :columns] = self._highest
        self._highest = wider


@numba.njit(cache=True)
def _accept(
    highest: npt.NDArray[np.int64],
    partitions: npt.NDArray[np.int32],
    upstream: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    is_first = np.empty(len(offsets), np.bool_)
    for row in range(len(offsets)):
        is_first[row] = offsets[row] > highest[partitions[row], upstream[row]]
        if is_first[row]:
            highest[partitions[row], upstream[row]] = offsets[row]
    return is_first
