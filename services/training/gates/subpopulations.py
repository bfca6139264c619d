"""Gate `subpopulations`: no group of customers or payments is much worse off than all others.

A group that is as badly off with the champion on the same payments is no reason to keep it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import NamedTuple

import polars as pl
from fairlearn.metrics import MetricFrame

from services.training.gates.evidence import Labels, Scores, Trial
from services.training.gates.intervals import difference_interval, normal_quantile, ratio_interval
from services.training.gates.verdict import Interval, Outcome, Verdict, outcome_of, unknown, worst_of
from shared.policy import Policy
from shared.policy.gates import Subpopulations

GATE = "subpopulations"
SHARES = ("recall", "false_positive_rate", "precision")
CALIBRATION = "calibration"
IS_BETTER_LOW = {"false_positive_rate"}
NO_BOUND = float("inf")
LEAST_GROUPS = 2
LEAST_RATIO = 1e-6  # of frauds expected: scores that are all 0 expect none


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened in a group; ``flagged`` by review or decline."""

    rows: int
    frauds: int
    flagged: int
    caught: int
    expected: float
    """Sum of the scores."""

    @classmethod
    def of(cls, tallies: Iterable[Tally]) -> Tally:
        """Return the tally of several groups together."""
        columns = zip(*(astuple(each) for each in tallies), strict=True)
        return cls(*(sum(column) for column in columns))

    def share(self, metric: str) -> tuple[int, int]:
        """Return a share as (count, of)."""
        return {
            "recall": (self.caught, self.frauds),
            "precision": (self.caught, self.flagged),
            "false_positive_rate": (self.flagged - self.caught, self.rows - self.frauds),
        }[metric]


class Pair(NamedTuple):
    """A group and all others, to be compared in one metric."""

    attribute: str
    group: str
    metric: str
    one: Tally
    others: Tally


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group against all others in one metric; ``worse`` says by how much it is worse off.

    ``champion`` says it of the champion, None where that cannot be told; ``limit`` is at least that.
    """

    attribute: str
    group: str
    metric: str
    value: float
    worse: float
    interval: Interval
    limit: float
    outcome: Outcome
    champion: float | None = None


def tallies(is_fraud: Labels, scores: Scores, groups: pl.Series, review_at: float) -> dict[str, Tally]:
    """Return the tally of each group."""

    def tally(truth: Labels, found: Scores) -> Tally:
        is_flagged = found >= review_at
        frauds, flagged = int(truth.sum()), int(is_flagged.sum())
        return Tally(len(truth), frauds, flagged, int((truth & is_flagged).sum()), float(found.sum()))

    frame = MetricFrame(
        metrics={GATE: tally}, y_true=is_fraud, y_pred=scores, sensitive_features=groups.to_numpy()
    )
    return {str(name): found for name, found in frame.by_group[GATE].items()}


def comparisons(
    trial: Trial, groups: pl.DataFrame, policy: Policy, bounds: Subpopulations
) -> list[Comparison]:
    """Return each group against all others in each metric that both have the support for.

    Parameters
    ----------
    groups
        One row a payment of the trial, one column an attribute.
    """
    pairs = []
    for attribute, limits in bounds.most_difference.items():
        sides = _sides(trial, trial.scores, groups[attribute], policy)
        rivals = {} if trial.champion is None else _sides(trial, trial.champion, groups[attribute], policy)
        for group, (one, others) in sides.items():
            for metric in _supported(one, others, limits, bounds.least_support):
                pair = Pair(attribute, group, metric, one, others)
                rival = _rival(rivals.get(group), metric, limits, bounds.least_support)
                pairs.append((pair, limits[metric], rival))
    quantile = normal_quantile(bounds.confidence, max(len(pairs), 1))
    return [_compared(*each, quantile) for each in pairs]


def subpopulations(trial: Trial, groups: pl.DataFrame, policy: Policy, bounds: Subpopulations) -> Verdict:
    """Return whether any group is shown to be worse off than all others by more than its limit."""
    found = comparisons(trial, groups, policy, bounds)
    if not found:
        return unknown(GATE, f"No two groups have {bounds.least_support} payments for any metric.")
    worst = max(found, key=lambda each: each.worse / each.limit)
    failed = [each for each in found if each.outcome == "fail"]
    first = max(failed, key=lambda each: each.worse / each.limit, default=worst)
    numbers: dict[str, float | None] = {
        "comparisons": float(len(found)),
        "failed": float(len(failed)),
        "open": float(sum(each.outcome == "not_enough_evidence" for each in found)),
        "low": first.interval[0],
        "high": first.interval[1],
        "champion": first.champion,
    }
    return Verdict(
        gate=GATE,
        outcome=worst_of([each.outcome for each in found]),
        sentence=f"Of {len(found)} comparisons the widest is {first.metric} of {first.attribute} "
        f"{first.group}: worse than all others by {first.worse:.3f}, allowed {first.limit:.3g}"
        f"{_beside(first)}.",
        value=first.worse,
        limit=first.limit,
        numbers=numbers,
    )


def _supported(one: Tally, others: Tally, limits: dict[str, float], least: int) -> Iterator[str]:
    for metric in limits:
        if metric == CALIBRATION:
            support = min(one.frauds, others.frauds)
        else:
            support = min(one.share(metric)[1], others.share(metric)[1])
        if support >= least:
            yield metric


def _sides(trial: Trial, scores: Scores, groups: pl.Series, policy: Policy) -> dict[str, tuple[Tally, Tally]]:
    """Return each group's tally and that of all others; none where there is one group."""
    found = tallies(trial.examples.is_fraud, scores, groups, policy.review_at)
    if len(found) < LEAST_GROUPS:
        return {}
    return {
        group: (tally, Tally.of(each for name, each in found.items() if name != group))
        for group, tally in found.items()
    }


def _rival(
    sides: tuple[Tally, Tally] | None, metric: str, limits: dict[str, float], least: int
) -> float | None:
    if sides is None or metric not in _supported(*sides, limits, least):
        return None
    return _worse(metric, *sides)[1]


def _worse(metric: str, one: Tally, others: Tally) -> tuple[float, float]:
    """Return a group's value, and by how much it is worse than that of all others."""
    if metric == CALIBRATION:
        value = one.expected / one.frauds
        ratio = max(value, LEAST_RATIO) / max(others.expected / others.frauds, LEAST_RATIO)
        # A group whose scores are too low is as wrong as one with too high ones.
        return value, max(ratio, 1 / ratio)
    first, second = one.share(metric), others.share(metric)
    sign = 1 if metric in IS_BETTER_LOW else -1
    value = first[0] / first[1]
    return value, sign * (value - second[0] / second[1])


def _compared(pair: Pair, limit: float, champion: float | None, quantile: float) -> Comparison:
    one, others, metric = pair.one, pair.others, pair.metric
    value, worse = _worse(metric, one, others)
    if metric == CALIBRATION:
        ends, even = ratio_interval(worse, quantile, one.frauds, others.frauds), 1.0
    else:
        sign = 1 if metric in IS_BETTER_LOW else -1
        reach = difference_interval(one.share(metric), others.share(metric), quantile)
        low, high = sorted(sign * end for end in reach)
        ends, even = (low, high), 0.0
    allowed = limit if champion is None else max(limit, champion)
    outcome = _outcome(worse, ends, allowed, even)
    return Comparison(pair.attribute, pair.group, metric, value, worse, ends, allowed, outcome, champion)


def _beside(found: Comparison) -> str:
    return "" if found.champion is None else f", the champion's by {found.champion:.3f}"


def _outcome(worse: float, interval: Interval, limit: float, even: float) -> Outcome:
    """Where it may be that there is no difference at all, a wide one is no evidence of anything."""
    return "pass" if interval[0] <= even else outcome_of(worse, interval, -NO_BOUND, limit)
