"""How well scores tell frauds: area under the ROC curve, average precision, card precision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score

from services.training.split import DAY

CARDS_A_DAY = 100  # what a team of investigators can check (Le Borgne et al., 2022, chapter 4.4)

Scores = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Metrics = Mapping[str, float | None]


def auc_roc(is_fraud: Labels, scores: Scores) -> float | None:
    """Probability that a fraud scores above a genuine payment; None without one of each.

    Examples
    --------
    Of two frauds and two genuine payments three pairs out of four stand in order:

    >>> auc_roc(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]))
    0.75
    """
    return float(roc_auc_score(is_fraud, scores)) if 0 < is_fraud.sum() < len(is_fraud) else None


def average_precision(is_fraud: Labels, scores: Scores) -> float | None:
    """Mean of the precision at each fraud, by falling score; None without a fraud.

    Examples
    --------
    Frauds at places 1 and 3: (1/1 + 2/3) / 2.

    >>> round(average_precision(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])), 4)
    0.8333
    """
    return float(average_precision_score(is_fraud, scores)) if is_fraud.any() else None


def card_precision(rows: pl.DataFrame, scores: Scores, top: int = CARDS_A_DAY) -> float | None:
    """Mean over days of the share of compromised customers among the ``top`` that score highest.

    A customer's score of a day is the highest of its payments; it is compromised when one of them is
    a fraud. Compromised customers found among the top of a day are left out on later days. Days are
    UTC; the divisor is ``top`` even where fewer customers paid. None without rows.

    Parameters
    ----------
    rows
        customer_id, event_time (microseconds), is_fraud.
    scores
        One a row, shape (n,).

    Examples
    --------
    Two days, one card checked a day: customer a is found on day 0, so on day 1 b comes first.

    >>> rows = pl.DataFrame({
    ...     "customer_id": ["a", "b", "a", "b", "c"],
    ...     "event_time": [0, 1, DAY, DAY, DAY],
    ...     "is_fraud": [True, False, True, False, True],
    ... })
    >>> card_precision(rows, np.array([0.9, 0.2, 0.9, 0.8, 0.7]), top=1)
    0.5
    """
    cards = (
        rows.select("customer_id", "is_fraud", day=pl.col("event_time") // DAY)
        .with_columns(score=pl.Series(scores))
        .group_by("day", "customer_id")
        .agg(pl.col("score").max(), pl.col("is_fraud").any())
        .sort("day", -pl.col("score"), "customer_id")
    )
    found: set[str] = set()
    shares = []
    for day in cards.partition_by("day", maintain_order=True):
        first = day.filter(~pl.col("customer_id").is_in(list(found))).head(top)
        compromised = first.filter("is_fraud")["customer_id"].to_list()
        found.update(compromised)
        shares.append(len(compromised) / top)
    return sum(shares) / len(shares) if shares else None


def metrics(rows: pl.DataFrame, scores: Scores) -> Metrics:
    """Return all metrics of scores, with the numbers of rows and frauds."""
    is_fraud: Labels = rows["is_fraud"].to_numpy()
    return {
        "auc_roc": auc_roc(is_fraud, scores),
        "average_precision": average_precision(is_fraud, scores),
        f"card_precision_{CARDS_A_DAY}": card_precision(rows, scores),
        "test_rows": float(rows.height),
        "test_frauds": float(is_fraud.sum()),
    }
