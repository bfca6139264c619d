"""What the gates look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from services.training.examples import Examples

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """Matured payments that neither model had learned from, newest days, with the scores of both."""

    examples: Examples
    scores: Scores
    """By the candidate, shape (n,)."""
    champion: Scores | None = None
    """By the champion; None where there is none."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The rows that the tried model was fitted to."""

    examples: Examples
    known_by: int
    """Event time, microseconds, by which the labels had to be known for it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model takes, as measured."""

    us_a_row: float
    """Microseconds of one core, in a batch."""
    ms_single: float
    """Milliseconds of one core for a row by itself."""
    package_bytes: int
    memory_bytes: int | None
    """By which loading it makes a process grow; None where that was not measured."""


@dataclass(frozen=True, slots=True)
class Refitted:
    """Digests of the model and of the same recipe fitted to the same rows again."""

    first: str
    second: str


Attributes = pl.DataFrame
"""customer_id, region, age_band, gender: the content of customers.v1, for analysis only."""
