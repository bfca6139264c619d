"""Scores of a model for a batch, and their bytes in scores.v1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.wire import long_bytes, optional_text_bytes

NULL, PRESENT = 0, 2  # the branches of ["null", ...] as Avro writes them
DOUBLE_BYTES = 8

Features = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Block = npt.NDArray[np.uint8]


class Scorer(Protocol):
    """A model, as far as scoring needs it."""

    @property
    def version(self) -> str:
        """Version of the model."""
        ...

    def predict(self, matrix: Features) -> Scores:
        """Return the probability of fraud of each row, shape (n,)."""
        ...


class ModelFailure(Exception):
    """A model that gave something else than one probability a row."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores in [0, 1] of a batch and the version that gave them; all NaN and None without a model."""

    scores: Scores
    version: str | None


def scored(model: Scorer | None, matrix: Features) -> Scored:
    """Return the scores of a model for each row of features.

    Raises
    ------
    ModelFailure
        If it fails, or does not give one finite number a row: there is no score to go on with.
    """
    if model is None:
        return Scored(np.full(len(matrix), np.nan), None)
    try:
        found = model.predict(matrix)
    except Exception as error:
        raise ModelFailure(f"model {model.version} failed: {type(error).__name__}: {error}") from error
    if found.shape != (len(matrix),) or not np.isfinite(found).all():
        finite = np.count_nonzero(np.isfinite(found))
        raise ModelFailure(f"model {model.version} gave {finite} finite scores for {len(matrix)} payments")
    return Scored(np.clip(found, 0.0, 1.0), model.version)


def appended(champion: Scored, decisions: Codes, challenger: Scored, policy_version: int) -> Block:
    """Return the Avro bytes that make a record of features.terminal.v1 one of scores.v1.

    Returns
    -------
    numpy.ndarray
        Shape (n, width): the same width for all rows, since a batch has one champion and one challenger.
    """
    count = len(decisions)
    parts = (
        _optional_doubles(champion),
        (decisions.astype(np.uint8) << 1).reshape(count, 1),  # zigzag of a small number
        _constant(optional_text_bytes(champion.version), count),
        _optional_doubles(challenger),
        _constant(optional_text_bytes(challenger.version), count),
        _constant(long_bytes(policy_version), count),
    )
    return np.concatenate(parts, axis=1)


def _optional_doubles(column: Scored) -> Block:
    count = len(column.scores)
    if column.version is None:
        return np.full((count, 1), NULL, np.uint8)
    block = np.empty((count, 1 + DOUBLE_BYTES), np.uint8)
    block[:, 0] = PRESENT
    block[:, 1:] = column.scores.astype("<f8").view(np.uint8).reshape(count, DOUBLE_BYTES)
    return block


def _constant(content: bytes, count: int) -> Block:
    return np.broadcast_to(np.frombuffer(content, np.uint8), (count, len(content)))
