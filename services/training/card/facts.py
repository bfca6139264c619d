"""What a card tells, as figures: the content of `card.json`."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import polars as pl

from services.training.card.importances import permutation_importances, shapley_importances
from services.training.gates.evidence import Features, Labels, Scores, Trial
from services.training.gates.intervals import normal_quantile, share_interval
from services.training.gates.subpopulations import SHARES, Tally, tallies
from services.training.gates.verdict import Verdict
from services.training.gates.what_if import sensitivities
from services.training.metrics import metrics
from shared.models import Manifest, Model
from shared.policy import Policy

CURVE_POINTS = 100
CALIBRATION_BINS = 10
CONFIDENCE = 0.95
SENSED_ROWS = 200


class FeatureFacts(msgspec.Struct, frozen=True):
    """One feature: its training median, the share of payments without it, and what hangs on it."""

    name: str
    median: float | None
    undefined_share: float
    permutation: float
    """Fall of average precision when it is shuffled."""
    shapley: float
    """Mean absolute Shapley value over the payments that score highest."""
    sensitivity: float
    """Mean range of the score along its quantiles."""
    grid: list[float]
    means: list[float]
    """Mean scores on the grid of its quantiles."""


class GroupFacts(msgspec.Struct, frozen=True):
    """One group of the tried payments; a share is [value, low, high], None without support."""

    attribute: str
    group: str
    payments: int
    frauds: int
    recall: list[float] | None
    false_positive_rate: list[float] | None
    precision: list[float] | None
    calibration: float | None
    """Frauds expected by the scores over frauds seen."""


class Facts(msgspec.Struct, frozen=True):
    """All figures of a card."""

    trial: dict[str, float | None]
    """Metrics on the tried payments."""
    first: int
    """Event time of the first tried payment, microseconds."""
    last: int
    precision_recall: list[list[float]]
    """Points [recall, precision]."""
    calibration: list[list[float]]
    """By bin of the score: [mean score, share of frauds, low, high]."""
    features: list[FeatureFacts]
    groups: list[GroupFacts]


def facts_of(model: Model, trial: Trial, groups: pl.DataFrame, policy: Policy) -> Facts:
    """Return the figures of a model by the payments that it was tried on, none of which it learned from."""
    rows, is_fraud = trial.examples, trial.examples.is_fraud
    return Facts(
        trial=dict(metrics(rows.rows, trial.scores)),
        first=int(rows.times.min()),
        last=int(rows.times.max()),
        precision_recall=precision_recall(is_fraud, trial.scores),
        calibration=reliability(is_fraud, trial.scores),
        features=_features(model, rows.features, is_fraud),
        groups=_groups(trial, groups, policy),
    )


def precision_recall(is_fraud: Labels, scores: Scores) -> list[list[float]]:
    """Return points [recall, precision] by falling score, at most 100, the last with a recall of 1."""
    order = np.argsort(-scores, kind="stable")
    caught = np.cumsum(is_fraud[order])
    if not caught[-1]:
        return []
    due = np.linspace(1, caught[-1], min(CURVE_POINTS, int(caught[-1])))
    places = np.searchsorted(caught, np.ceil(due))
    return [[float(caught[each] / caught[-1]), float(caught[each] / (each + 1))] for each in places]


def reliability(is_fraud: Labels, scores: Scores) -> list[list[float]]:
    """Return [mean score, share of frauds, low, high] of bins that expect equally many frauds each."""
    order = np.argsort(scores, kind="stable")
    expected = np.cumsum(scores[order])
    edges = np.searchsorted(expected, np.linspace(0, expected[-1], CALIBRATION_BINS + 1)[1:-1])
    quantile = normal_quantile(CONFIDENCE)
    found = []
    for start, end in pairwise([0, *np.unique(edges).tolist(), len(order)]):
        chosen = order[start:end]
        if len(chosen):
            frauds = int(is_fraud[chosen].sum())
            ends = share_interval(frauds, len(chosen), quantile)
            found.append([float(scores[chosen].mean()), frauds / len(chosen), *ends])
    return found


def _features(model: Model, features: Features, is_fraud: Labels) -> list[FeatureFacts]:
    shuffled = permutation_importances(model, features, is_fraud)
    scores = model.predict(features)
    parts = shapley_importances(model, features, scores)
    highest = np.argsort(-scores, kind="stable")[:SENSED_ROWS]
    sensed = sensitivities(model, features[highest])
    return [
        FeatureFacts(
            name=name,
            median=model.manifest.medians[place],
            undefined_share=float(np.isnan(features[:, place]).mean()),
            permutation=float(shuffled[place]),
            shapley=float(parts[place]),
            sensitivity=sensed[place].mean_range,
            grid=list(sensed[place].grid),
            means=list(sensed[place].means),
        )
        for place, name in enumerate(model.names)
    ]


def _groups(trial: Trial, groups: pl.DataFrame, policy: Policy) -> list[GroupFacts]:
    found = []
    for attribute in groups.columns:
        for group, tally in tallies(
            trial.examples.is_fraud, trial.scores, groups[attribute], policy.review_at
        ).items():
            shares = {metric: _share(tally, metric) for metric in SHARES}
            ratio = tally.expected / tally.frauds if tally.frauds else None
            found.append(GroupFacts(attribute, group, tally.rows, tally.frauds, calibration=ratio, **shares))
    return found


def _share(tally: Tally, metric: str) -> list[float] | None:
    count, of = tally.share(metric)
    return [count / of, *share_interval(count, of, normal_quantile(CONFIDENCE))] if of else None


class Card(msgspec.Struct, frozen=True):
    """What a card shows: a model, its figures and its verdicts."""

    manifest: Manifest
    facts: Facts
    verdicts: list[Verdict]
    policy: dict[str, float]
