"""Labelled payments made up for tests: a fraud shows in the first feature, a weak hint in the second."""

from __future__ import annotations

import numpy as np
import polars as pl

from services.training.examples import Examples
from services.training.split import DAY

WIDTH = 3


def made(
    days: int = 30, daily: int = 60, seed: int = 0, implied_until: int | None = None, width: int = WIDTH
) -> Examples:
    """Payments at even times; one in twelve is a fraud."""
    generator = np.random.default_rng(seed)
    count = days * daily
    times = np.arange(count) * DAY // daily
    is_fraud = generator.random(count) < 1 / 12
    features = generator.normal(size=(count, width)).astype(np.float32)
    features[:, 0] += 3 * is_fraud
    features[:, 1] += is_fraud
    known = days * DAY if implied_until is None else implied_until
    rows = pl.DataFrame(
        {
            "transaction_id": [f"p{number:06d}" for number in range(count)],
            "event_time": times,
            "customer_id": [f"c{number}" for number in generator.integers(0, 400, count)],
            "terminal_id": [f"t{number % 50}" for number in range(count)],
            "amount_base": generator.integers(100, 30_000, count),
            "channel": ["unknown"] * count,
            "score": [None] * count,
            "model_version": [None] * count,
            "is_fraud": is_fraud,
            "is_implied": ~is_fraud & (times < known),
            "label_time": times + np.where(is_fraud, 3, 7) * DAY,
        },
        schema_overrides={"score": pl.Float64, "model_version": pl.String},
    )
    return Examples(rows, features)
