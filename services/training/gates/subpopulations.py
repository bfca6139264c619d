"""Gate `subpopulations`: no group of customers or payments is much worse off than all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group against all others in one metric; ``worse`` says by how much it is worse off."""

    attribute: str
    group: str
    metric: str
    value: float
    worse: float
    interval: Interval
    limit: float
    outcome: Outcome


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
        found = tallies(trial.examples.is_fraud, trial.scores, groups[attribute], policy.review_at)
        for group, tally in found.items() if len(found) > 1 else ():
            others = Tally.of(each for name, each in found.items() if name != group)
            supported = _supported(tally, others, limits, bounds.least_support)
            pairs += [(attribute, group, metric, tally, others, limits[metric]) for metric in supported]
    quantile = normal_quantile(bounds.confidence, max(len(pairs), 1))
    return [_compared(*pair, quantile) for pair in pairs]


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
    }
    return Verdict(
        gate=GATE,
        outcome=worst_of([each.outcome for each in found]),
        sentence=f"Of {len(found)} comparisons the widest is {first.metric} of {first.attribute} "
        f"{first.group}: worse than all others by {first.worse:.3f}, allowed {first.limit:.3g}.",
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


def _compared(
    attribute: str, group: str, metric: str, one: Tally, others: Tally, limit: float, quantile: float
) -> Comparison:
    if metric == CALIBRATION:
        value = one.expected / one.frauds
        ratio = value / (others.expected / others.frauds)
        apart = max(
            ratio, 1 / ratio
        )  # a group whose scores are too low is as wrong as one with too high ones
        ends = ratio_interval(apart, quantile, one.frauds, others.frauds)
        return Comparison(
            attribute, group, metric, value, apart, ends, limit, _outcome(apart, ends, limit, 1.0)
        )
    first, second = one.share(metric), others.share(metric)
    sign = 1 if metric in IS_BETTER_LOW else -1
    value = first[0] / first[1]
    worse = sign * (value - second[0] / second[1])
    low, high = sorted(sign * end for end in difference_interval(first, second, quantile))
    outcome = _outcome(worse, (low, high), limit, 0.0)
    return Comparison(attribute, group, metric, value, worse, (low, high), limit, outcome)


def _outcome(worse: float, interval: Interval, limit: float, even: float) -> Outcome:
    """Where it may be that there is no difference at all, a wide one is no evidence of anything."""
    return "pass" if interval[0] <= even else outcome_of(worse, interval, -NO_BOUND, limit)
