"""Sketches made up for tests: days of payments with two features, scores and decisions, and their labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from services.labels.sketches import LAYOUT as LABELS
from services.monitor.summaries import Sketch
from shared.features import FeatureSet, feature_set
from shared.policy import Decision
from shared.sketches import DAY, SCORE_EDGES, Layout, code_edges

PARTITIONS = 2
ROWS = 400
HORIZON_DAYS = 8  # horizon and label lag
VERSION = "2018-05-07-ede829f9"
FEATURES: FeatureSet = feature_set(
    {
        "version": 1,
        "label_lag_days": 1,
        "horizon_days": 7,
        "history_days": 75,
        "entities": [
            {
                "name": "customer",
                "key": "customer_id",
                "input": "transactions.v1",
                "output": "features.customer.v1",
                "output_key": "terminal_id",
                "features": [{"name": "amount", "kind": "amount"}, {"name": "weekend", "kind": "weekend"}],
            }
        ],
    },
    {"base": "EUR", "currencies": {"EUR": {"digits": 2}}},
)
SCORES = Layout({**FEATURES.bins, "score": SCORE_EDGES, "decision": code_edges(len(Decision))})


def score_sketch(day: int, partition: int, rows: np.ndarray, **changes: Any) -> Sketch:
    """A day's payments of a partition: columns amount, weekend, score, decision."""
    return _sketch("scores", "features.terminal.v1", day, partition, SCORES, rows, **changes)


def label_sketch(
    day: int, partition: int, scores: Sequence[float], frauds: Sequence[bool], **changes: Any
) -> Sketch:
    """What is known of a day's payments of a partition; every payment is of 100 minor units."""
    score, is_fraud = np.array(scores, float), np.array(frauds)
    decision = np.where(score >= 0.8, 3.0, np.where(score >= 0.3, 2.0, 1.0))
    expected, realised = score * 100, is_fraud * 100.0
    columns = [
        np.where(is_fraud, np.nan, score),
        np.where(is_fraud, score, np.nan),
        np.where(is_fraud, np.nan, decision),
        np.where(is_fraud, decision, np.nan),
        (score - is_fraud) ** 2,
        expected,
        realised,
        realised**2,
        (expected - realised) ** 2,
    ]
    return _sketch("labels", "scores.v1", day, partition, LABELS, np.column_stack(columns), **changes)


def ingest_sketch(day: int, number: int, results: dict[str, int]) -> Sketch:
    """What became of some raw records of a day, the ``number``-th such sketch."""
    layout, count = Layout({name: np.empty(0) for name in results}), sum(results.values())
    return _sketch(
        "ingest",
        "transactions.raw.v1",
        day,
        0,
        layout,
        np.array([[float(each) for each in results.values()]]),
        first_offset=number * 10_000,
        last_offset=number * 10_000 + count - 1,
        model_version=None,
        count=count,
    )


def payments(draw: np.random.Generator, rows: int, factor: float = 1.0) -> np.ndarray:
    score = draw.beta(0.3, 6, rows)
    decision = np.where(score >= 0.8, 3, np.where(score >= 0.3, 2, 1))
    return np.column_stack((draw.gamma(2, 30, rows) * factor, draw.integers(0, 2, rows), score, decision))


def days(first: int, last: int, factor: float = 1.0, missed: int = 0) -> Iterator[Sketch]:
    """Payments of each day, then what is known of the day whose labels mature meanwhile."""
    for day, partition in itertools.product(range(first, last + 1), range(PARTITIONS)):
        draw = np.random.default_rng([day, partition])
        yield score_sketch(day, partition, payments(draw, ROWS, factor))
        known = day - HORIZON_DAYS - 1
        if known >= 0:
            draw = np.random.default_rng([known, partition])
            scores = payments(draw, ROWS)[:, 2]
            is_fraud = draw.random(ROWS) < scores
            is_fraud[np.argsort(scores)[: missed if known >= 20 else 0]] = True
            yield label_sketch(known, partition, scores.tolist(), is_fraud.tolist())


def _sketch(
    kind: str, topic: str, day: int, partition: int, layout: Layout, rows: np.ndarray, **changes: Any
) -> Sketch:
    content: dict[str, Any] = {
        "writer": "tests-0",
        "kind": kind,
        "topic": topic,
        "partition": partition,
        "first_offset": day * 1000,
        "last_offset": day * 1000 + len(rows) - 1,
        "first_event_time": day * DAY,
        "last_event_time": (day + 1) * DAY - 1,
        "model_version": VERSION,
        "count": len(rows),
        "names": layout.names,
        "sizes": layout.sizes,
        "counts": layout.histograms(rows).tolist(),
        "sums": np.nansum(rows, axis=0).tolist(),
    }
    return Sketch(**{**content, **changes})
