"""Two versions on the same matured payments, as they were served."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from services.training.examples import Examples
from services.training.gates.evidence import Trial
from services.training.gates.performance import performance
from shared.policy.gates import Performance


@dataclass(frozen=True, slots=True)
class Comparison:
    """By how much the average precision of ``newer`` is above that of ``older``.

    ``gain`` and its interval are None where there are too few frauds.
    """

    newer: str
    older: str
    payments: int
    frauds: int
    gain: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def numbers(self) -> dict[str, object]:
        """The figures, for an event."""
        return {
            "older": self.older,
            "payments": self.payments,
            "frauds": self.frauds,
            "gain": self.gain,
            "gain_low": self.low,
            "gain_high": self.high,
        }


def scored_by_both(rows: pl.DataFrame, newer: str, older: str) -> pl.DataFrame:
    """Return the payments that both versions scored, whichever acted, as ``newer`` and ``older``."""
    versions = pl.col("model_version"), pl.col("challenger_version")
    acted = versions[0].eq_missing(newer) & versions[1].eq_missing(older)
    stood_by = versions[0].eq_missing(older) & versions[1].eq_missing(newer)
    scores = pl.col("score"), pl.col("challenger_score")
    return rows.filter(acted | stood_by).select(
        "customer_id",
        "is_fraud",
        newer=pl.when(pl.col("model_version") == newer).then(scores[0]).otherwise(scores[1]),
        older=pl.when(pl.col("model_version") == newer).then(scores[1]).otherwise(scores[0]),
    )


def compared(rows: pl.DataFrame, newer: str, older: str, bounds: Performance, seed: int = 0) -> Comparison:
    """Return the comparison of two versions on matured examples; the same rows give the same figures.

    Parameters
    ----------
    rows
        customer_id, is_fraud, score, model_version, challenger_score, challenger_version.
    """
    if not rows.height:
        return Comparison(newer, older, 0, 0)
    pairs = scored_by_both(rows, newer, older)
    frauds = int(pairs["is_fraud"].sum())
    examples = Examples(pairs, np.empty((pairs.height, 0), np.float32))
    trial = Trial(examples, pairs["newer"].to_numpy(), pairs["older"].to_numpy())
    numbers = performance(trial, bounds, seed).numbers
    gain = (numbers.get("gain"), numbers.get("gain_low"), numbers.get("gain_high"))
    return Comparison(newer, older, pairs.height, frauds, *gain)
