"""Trials made up for tests of the gates: payments with scores that are calibrated by construction."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl

from services.training.examples import Examples
from services.training.gates.evidence import Trial
from services.training.split import DAY
from shared.policy import GatesPolicy, Policy

BOUNDS = GatesPolicy.load()
POLICY = Policy(1, 0.3, 0.8)
Scores = npt.NDArray[np.float64]


def token(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def trial(count: int = 8000, seed: int = 0, customers: int = 500) -> Trial:
    """A fraud happens as often as its score says; the first feature is the score's logit."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(-5, 2.5, count)
    scores = 1 / (1 + np.exp(-logits))
    is_fraud = draw.random(count) < scores
    features = np.column_stack((logits, draw.normal(size=(count, 2)))).astype(np.float32)
    times = np.arange(count) * 7 * DAY // count
    customer = draw.integers(0, customers, count)
    rows = pl.DataFrame(
        {
            "transaction_id": [token(f"t{number}") for number in range(count)],
            "event_time": times,
            "customer_id": [token(f"c{number}") for number in customer.tolist()],
            "terminal_id": [token(f"m{number % 97}") for number in range(count)],
            "amount_base": draw.integers(100, 30_000, count),
            "channel": ["online" if number % 2 else "in_store" for number in customer.tolist()],
            "is_fraud": is_fraud,
            "is_implied": ~is_fraud,
            "label_time": times + 3 * DAY,
        }
    )
    return Trial(Examples(rows, features), scores, scores)


def attributes(customers: int = 500) -> pl.DataFrame:
    """Every customer with a region, an age band and a gender."""
    draw = np.random.default_rng(9)
    return pl.DataFrame(
        {
            "customer_id": [token(f"c{number}") for number in range(customers)],
            "region": draw.choice(["north", "south"], customers).tolist(),
            "age_band": draw.choice(["18-29", "30-44", "60+"], customers).tolist(),
            "gender": draw.choice(["female", "male"], customers).tolist(),
        }
    )
