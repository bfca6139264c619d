"""Gate `calibration`: scores are probabilities, neither too high or low together nor too spread.

While fraud changes no model is calibrated on the days of a trial. What misses a bound fails only where it is
further from the truth than the champion on the same payments, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from services.training.gates.evidence import Labels, Scores, Trial
from services.training.gates.intervals import normal_quantile, ratio_interval
from services.training.gates.verdict import Interval, Verdict, outcome_of, unknown, worst_of
from shared.policy.gates import Calibration

GATE = "calibration"
CLIP = 1e-4  # a score of 0 or 1 has no logit, and below this no decision changes
STEPS = 50
CLOSE = 1e-8
SINGULAR = 1e12  # condition number


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Intercept and slope of the truth over the logit of the scores; 0 and 1 where they are calibrated."""

    intercept: float
    slope: float
    slope_error: float
    """Standard error."""


def recalibration(is_fraud: Labels, scores: Scores) -> Recalibration | None:
    """Return the logistic regression of the truth on the logit of the scores (Cox, 1958).

    None where it cannot be fitted, as where all scores are the same.
    """
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    logits = np.log(clipped / (1 - clipped))
    design = np.column_stack((np.ones(len(logits)), logits))
    share = is_fraud.mean()
    beta = np.array([math.log(share / (1 - share)), 0.0])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-design @ beta))
        information = (design * (chance * (1 - chance))[:, None]).T @ design
        if not np.linalg.cond(information) < SINGULAR:
            return None
        step = _shortened(
            beta, np.linalg.solve(information, design.T @ (is_fraud - chance)), design, is_fraud
        )
        beta = beta + step
        if np.abs(step).max() < CLOSE:
            error = math.sqrt(np.linalg.inv(information)[1, 1])
            return Recalibration(float(beta[0]), float(beta[1]), error)
    return None


def calibration(trial: Trial, bounds: Calibration) -> Verdict:
    """Return whether as many frauds come as the scores expect, and are as spread as they say."""
    is_fraud, scores, frauds = trial.examples.is_fraud, trial.scores, trial.examples.frauds
    if frauds < bounds.least_frauds or frauds == len(is_fraud):
        return unknown(
            GATE, f"{frauds} frauds among {len(is_fraud)} payments; {bounds.least_frauds} are needed."
        )
    alone = _alone(is_fraud, scores, bounds)
    return alone if trial.champion is None else _beside(alone, further_off(trial, bounds.confidence))


@dataclass(frozen=True, slots=True)
class FurtherOff:
    """By how much the candidate's log loss is above the champion's, nats a fraud, with its interval."""

    estimate: float
    interval: Interval


def further_off(trial: Trial, confidence: float) -> FurtherOff:
    """Return how much further from the truth the candidate's scores are than the champion's.

    The interval takes the payments of a customer as one, since they hang together: a leaked card gives many
    frauds (Liang and Zeger, 1986).
    """
    is_fraud, champion = trial.examples.is_fraud, trial.champion
    if champion is None:
        raise ValueError("there is no champion to compare with")
    excess = _log_losses(is_fraud, trial.scores) - _log_losses(is_fraud, champion)
    customer = trial.examples.rows["customer_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    by_customer = np.bincount(customer, excess)
    total, deviations = float(by_customer.sum()), by_customer - by_customer.mean()
    reach = normal_quantile(confidence) * math.sqrt(float((deviations**2).sum()))
    frauds = float(is_fraud.sum())
    return FurtherOff(total / frauds, ((total - reach) / frauds, (total + reach) / frauds))


def _beside(alone: Verdict, further: FurtherOff) -> Verdict:
    estimate, (low, high) = further.estimate, further.interval
    numbers = {"excess_loss": estimate, "excess_loss_low": low, "excess_loss_high": high}
    told = msgspec.structs.replace(alone, numbers={**alone.numbers, **numbers})
    if alone.outcome != "fail":
        return told
    return msgspec.structs.replace(
        told,
        outcome=outcome_of(estimate, further.interval, -math.inf, 0.0),
        sentence=f"{alone.sentence} To the champion's their log loss is {estimate:+.3f} a fraud "
        f"[{low:+.3f}, {high:+.3f}].",
    )


def _log_losses(is_fraud: Labels, scores: Scores) -> Scores:
    chances = np.clip(np.nan_to_num(scores), CLIP, 1 - CLIP)
    losses: Scores = -np.log(np.where(is_fraud, chances, 1 - chances))
    return losses


def _alone(is_fraud: Labels, scores: Scores, bounds: Calibration) -> Verdict:
    frauds, quantile = int(is_fraud.sum()), normal_quantile(bounds.confidence)
    level = _level(float(scores.sum()) / frauds, frauds, quantile, bounds)
    found = recalibration(is_fraud, scores)
    if found is None:
        sentence = f"{level.sentence} The scores rank nothing, so have no slope."
        return msgspec.structs.replace(level, outcome="fail", sentence=sentence)
    return _spread(level, found, quantile, bounds)


def _level(ratio: float, frauds: int, quantile: float, bounds: Calibration) -> Verdict:
    low, high = ratio_interval(ratio, quantile, frauds)
    return Verdict(
        gate=GATE,
        outcome=outcome_of(ratio, (low, high), 1 / bounds.most_ratio, bounds.most_ratio),
        sentence=f"The scores expect {ratio:.2f} times the frauds seen.",
        value=ratio,
        limit=bounds.most_ratio,
        numbers={"ratio": ratio, "ratio_low": low, "ratio_high": high},
    )


def _spread(level: Verdict, found: Recalibration, quantile: float, bounds: Calibration) -> Verdict:
    reach = quantile * found.slope_error
    low, high = found.slope - reach, found.slope + reach
    slope = outcome_of(found.slope, (low, high), bounds.least_slope, bounds.most_slope)
    slopes = {"slope": found.slope, "slope_low": low, "slope_high": high, "intercept": found.intercept}
    sentence = f"{level.sentence} Their slope is {found.slope:.2f}, 1 is calibrated."
    if level.outcome == "fail":
        return msgspec.structs.replace(level, sentence=sentence, numbers={**level.numbers, **slopes})
    return Verdict(
        gate=GATE,
        outcome=worst_of([level.outcome, slope]),
        sentence=sentence,
        value=found.slope,
        limit=bounds.least_slope if found.slope < 1 else bounds.most_slope,
        numbers={**level.numbers, **slopes},
    )


def _shortened(beta: Scores, step: Scores, design: Scores, is_fraud: Labels) -> Scores:
    """Newton's step, halved until it does not lead away: from far off a whole one may."""

    def likelihood(at: Scores) -> float:
        margin = design @ at
        return float((is_fraud * margin - np.logaddexp(0, margin)).sum())

    least = likelihood(beta)
    while np.abs(step).max() >= CLOSE and likelihood(beta + step) < least:
        step = step / 2
    return step
