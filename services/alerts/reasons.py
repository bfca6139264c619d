"""Reasons of scores: how much a score falls when one feature takes its typical value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


class Explained(Protocol):
    """A model, as far as reasons need it."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the features."""
        ...

    @property
    def medians(self) -> Features:
        """Typical value of each feature; NaN where it is mostly undefined."""
        ...

    def predict(self, matrix: Features) -> Scores:
        """Return the probability of fraud of each row."""
        ...


class ReasonsFailure(Exception):
    """A model that gave no probabilities."""


def effects(model: Explained, matrix: Features, scores: Scores) -> Scores:
    """Return how much each score falls when each feature alone takes its typical value.

    Parameters
    ----------
    matrix
        Features as served, shape (n, k).
    scores
        What the model gave for them, shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n, k); negative where the score rises, 0 where the value is the typical one.

    Raises
    ------
    ReasonsFailure
        If the model fails or gives something else than one finite number a row.
    """
    medians = np.broadcast_to(model.medians, matrix.shape)
    is_typical = (matrix == medians) | (np.isnan(matrix) & np.isnan(medians))
    rows, columns = np.nonzero(~is_typical)  # the others would be predicted for nothing
    changed = matrix[rows]
    changed[np.arange(len(rows)), columns] = model.medians[columns]
    found = np.zeros(matrix.shape)
    found[rows, columns] = scores[rows] - _predicted(model, changed)
    return found


def reasons(model: Explained, row: Features, falls: Scores, limit: int) -> list[dict[str, Any]]:
    """Return a payment's reasons as alerts.v1 has them: positive effects, largest first.

    Equal effects stand in the order of the features.
    """
    ranked = [place for place in np.argsort(-falls, kind="stable")[:limit].tolist() if falls[place] > 0]
    return [
        {
            "feature": model.names[place],
            "value": None if np.isnan(row[place]) else float(row[place]),
            "typical": float(model.medians[place]),
            "effect": float(falls[place]),
        }
        for place in ranked
    ]


def _predicted(model: Explained, matrix: Features) -> Scores:
    if len(matrix) == 0:
        return np.empty(0)
    try:
        found = model.predict(matrix)
    except Exception as error:  # whatever it is, the alert goes out without reasons
        raise ReasonsFailure(f"{type(error).__name__}: {error}") from error
    if found.shape != (len(matrix),) or not np.isfinite(found).all():
        raise ReasonsFailure("the model gave no probability for some rows")
    return np.clip(found, 0.0, 1.0)
