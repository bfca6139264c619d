"""Metrics: against their plain definitions, written here a second time."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training.metrics import auc_roc, average_precision, card_precision, metrics
from services.training.split import DAY

PAYMENT = st.tuples(st.booleans(), st.integers(0, 8).map(lambda tenth: tenth / 8))
CARD_PAYMENT = st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans(), st.integers(0, 20))


def arrays(payments: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([fraud for fraud, _ in payments], bool), np.array([score for _, score in payments])


@settings(max_examples=60, deadline=None)
@given(st.lists(PAYMENT, min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order_where_ties_count_half(payments: list[tuple[bool, float]]) -> None:
    frauds = [score for fraud, score in payments if fraud]
    genuine = [score for fraud, score in payments if not fraud]
    pairs = [(f > g) + (f == g) / 2 for f in frauds for g in genuine]
    found = auc_roc(*arrays(payments))
    if not pairs:
        assert found is None
    else:
        assert found == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(PAYMENT, min_size=1, max_size=40))
def test_average_precision_is_the_mean_over_frauds_of_the_precision_at_their_score(
    payments: list[tuple[bool, float]],
) -> None:
    precisions = [
        sum(fraud for fraud, other in payments if other >= score)
        / sum(1 for _, other in payments if other >= score)
        for is_fraud, score in payments
        if is_fraud
    ]
    found = average_precision(*arrays(payments))
    if not precisions:
        assert found is None
    else:
        assert found == pytest.approx(math.fsum(precisions) / len(precisions), abs=1e-12)


def plain_card_precision(rows: pl.DataFrame, scores: list[float], top: int) -> float:
    """The Handbook's card_precision_top_k, day by day in plain Python."""
    days: dict[int, dict[str, tuple[float, bool]]] = defaultdict(dict)
    for row, score in zip(rows.iter_rows(named=True), scores, strict=True):
        cards = days[row["event_time"] // DAY]
        highest, is_compromised = cards.get(row["customer_id"], (-1.0, False))
        cards[row["customer_id"]] = max(highest, score), is_compromised or row["is_fraud"]
    detected: set[str] = set()
    precisions = []
    for day in sorted(days):
        left = [(-score, card, bad) for card, (score, bad) in days[day].items() if card not in detected]
        found = {card for _, card, bad in sorted(left)[:top] if bad}
        detected |= found
        precisions.append(len(found) / top)
    return sum(precisions) / len(precisions)


@settings(max_examples=60, deadline=None)
@given(st.lists(CARD_PAYMENT, min_size=1, max_size=60), st.integers(1, 5))
def test_card_precision_is_the_handbooks(payments: list[tuple[int, int, bool, int]], top: int) -> None:
    rows = pl.DataFrame(
        {
            "customer_id": [str(customer) for _, customer, _, _ in payments],
            "event_time": [day * DAY + place for place, (day, *_) in enumerate(payments)],
            "is_fraud": [fraud for _, _, fraud, _ in payments],
        }
    )
    scores = [score / 20 for *_, score in payments]
    expected = plain_card_precision(rows, scores, top)
    assert card_precision(rows, np.array(scores), top) == pytest.approx(expected, abs=1e-12)


def test_a_card_found_on_one_day_makes_room_for_the_next_on_later_days() -> None:
    rows = pl.DataFrame(
        {
            "customer_id": ["a", "b", "a", "b"],
            "event_time": [0, 0, DAY, DAY],
            "is_fraud": [True, False, True, True],
        }
    )
    assert card_precision(rows, np.array([0.9, 0.1, 0.9, 0.1]), top=1) == 1.0


def test_no_rows_have_no_metrics_but_their_numbers() -> None:
    rows = pl.DataFrame(
        schema={"customer_id": pl.String, "event_time": pl.Int64, "is_fraud": pl.Boolean},
    )
    assert metrics(rows, np.empty(0)) == {
        "auc_roc": None,
        "average_precision": None,
        "card_precision_100": None,
        "test_rows": 0.0,
        "test_frauds": 0.0,
    }
