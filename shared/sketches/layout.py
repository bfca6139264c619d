"""Histograms laid one after the other in one row of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled

SCORE_EDGES = np.array(
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, *(step / 20 for step in range(2, 20))]
)
"""Edges for scores: finer near 0, where most payments lie, then every twentieth."""


def code_edges(codes: int) -> npt.NDArray[np.float64]:
    """Return edges that give each of the codes 0, 1, ... below ``codes`` a bin of its own.

    Examples
    --------
    >>> code_edges(4).tolist()
    [1.0, 2.0, 3.0]
    """
    return np.arange(1, codes, dtype=np.float64)


class Layout:
    """Histograms of the columns of a matrix.

    Bin i of a histogram counts ``edges[i - 1] <= value < edges[i]``; the first and the last of these
    are open. One more bin, at the end, counts NaN, which is undefined.

    Parameters
    ----------
    edges
        Edges by column name, ascending, in the order of the columns.

    Raises
    ------
    ValueError
        If edges are undefined or do not ascend.

    Examples
    --------
    >>> layout = Layout({"score": np.array([0.5]), "decision": code_edges(2)})
    >>> layout.histograms(np.array([[0.5, 0], [0.4, 1], [np.nan, 1]])).tolist()
    [1, 1, 1, 1, 2, 0]
    """

    def __init__(self, edges: Mapping[str, npt.NDArray[np.float64]]) -> None:
        for name, each in edges.items():
            if not (np.diff(each) > 0).all() or np.isnan(each).any():
                raise ValueError(f"the edges of {name} must ascend")
        self.names = list(edges)
        self.sizes = [len(each) + 2 for each in edges.values()]
        self.width = sum(self.sizes)
        flat = np.concatenate(list(edges.values())).astype(np.float64)
        self.bins = (flat, _ends([len(each) for each in edges.values()]), _ends(self.sizes))

    def histograms(self, matrix: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the counts of all columns of a matrix, shape (n, columns), one after the other."""
        counts = np.zeros(self.width, np.int64)
        _count_rows(np.ascontiguousarray(matrix, np.float64), counts, self.bins)
        return counts


Bins = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""All edges, where each column's edges begin and end, where each histogram begins and ends."""


@compiled
def count_row(row: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], bins: Bins) -> None:
    """Add one row of values to the counts."""
    edges, ends, firsts = bins
    for column in range(len(row)):
        value = row[column]
        if np.isnan(value):
            counts[firsts[column + 1] - 1] += 1
            continue
        low, high = ends[column], ends[column + 1]
        while low < high:
            middle = (low + high) >> 1
            if edges[middle] <= value:
                low = middle + 1
            else:
                high = middle
        counts[firsts[column] + low - ends[column]] += 1


@compiled
def _count_rows(matrix: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], bins: Bins) -> None:
    for row in range(len(matrix)):
        count_row(matrix[row], counts, bins)


def _ends(sizes: list[int]) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
