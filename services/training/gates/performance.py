"""Gate `performance`: not below the champion on the same payments, and well above chance.

While fraud changes no model is far above chance on the days of a trial. Being too near to it fails only where
the candidate is below the champion on the same payments, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from services.training.gates.evidence import Labels, Scores, Trial
from services.training.gates.verdict import Interval, Verdict, outcome_of, unknown, worst_of
from shared.policy.gates import Performance

GATE = "performance"
MOST = 1.0
Drawn = npt.NDArray[np.float64]
"""Average precision by draw and model; the first draw is the sample as it is."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows by falling score; rows of the same score end at one place."""

    order: npt.NDArray[np.intp]
    ends: npt.NDArray[np.intp]
    is_fraud: Labels

    @classmethod
    def of(cls, is_fraud: Labels, scores: Scores) -> Ranking:
        """Return the ranking of scores, shape (n,)."""
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
        return cls(order, ends, is_fraud[order])

    def average_precision(self, weights: npt.NDArray[np.float64]) -> float:
        """Return the average precision with a weight a row; 0 where no fraud has any.

        Examples
        --------
        Of frauds at places 1 and 3 the second counts twice: 1/3 * 1/1 + 2/3 * 3/4.

        >>> ranking = Ranking.of(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
        >>> round(ranking.average_precision(np.array([1.0, 1.0, 2.0])), 4)
        0.8333
        """
        sorted_weights = weights[self.order]
        all_above = np.cumsum(sorted_weights)[self.ends]
        frauds_above = np.cumsum(sorted_weights * self.is_fraud)[self.ends]
        if frauds_above[-1] == 0:
            return 0.0
        precision = np.divide(frauds_above, all_above, out=np.zeros(len(all_above)), where=all_above > 0)
        return float((np.diff(frauds_above, prepend=0.0) * precision).sum() / frauds_above[-1])


def performance(trial: Trial, bounds: Performance, seed: int = 0) -> Verdict:
    """Return whether the candidate's average precision holds against the champion's and against chance.

    The interval is of a paired bootstrap over customers, whose payments hang together (Efron, 1979; Field
    and Welsh, 2007): both models are judged on the same draws.
    """
    frauds, rows = trial.examples.frauds, len(trial.examples)
    if frauds < bounds.least_frauds or frauds == rows:
        return unknown(
            GATE, f"{frauds} frauds among {rows} matured payments; {bounds.least_frauds} are needed."
        )
    drawn = _drawn(trial, bounds, seed)
    alone = _alone(drawn[:, 0], frauds / rows, bounds)
    return alone if trial.champion is None else _paired(alone, drawn, bounds)


def _alone(drawn: Drawn, fraud_share: float, bounds: Performance) -> Verdict:
    found, interval = _summary(drawn, bounds.confidence)
    least = bounds.least_lift * fraud_share
    ends = {"average_precision_low": interval[0], "average_precision_high": interval[1]}
    return Verdict(
        gate=GATE,
        outcome=outcome_of(found, interval, least, MOST),
        sentence=f"Average precision {found:.3f}; there is no champion to compare with.",
        value=found,
        limit=least,
        numbers={"average_precision": found, **ends, "fraud_share": fraud_share},
    )


def _paired(alone: Verdict, drawn: Drawn, bounds: Performance) -> Verdict:
    gain, ends = _summary(drawn[:, 0] - drawn[:, 1], bounds.confidence)
    champion = float(drawn[0, 1])
    lift = outcome_of(gain, ends, 0.0, MOST) if alone.outcome == "fail" else alone.outcome
    gains = {"champion": champion, "gain": gain, "gain_low": ends[0], "gain_high": ends[1]}
    return Verdict(
        gate=GATE,
        outcome=worst_of([lift, outcome_of(gain, ends, -bounds.most_loss, MOST)]),
        sentence=f"Average precision {drawn[0, 0]:.3f}: to the champion {gain:+.3f} "
        f"[{ends[0]:+.3f}, {ends[1]:+.3f}].",
        value=gain,
        limit=-bounds.most_loss,
        numbers={**alone.numbers, **gains},
    )


def _drawn(trial: Trial, bounds: Performance, seed: int) -> Drawn:
    is_fraud = trial.examples.is_fraud
    models = [trial.scores] if trial.champion is None else [trial.scores, trial.champion]
    rankings = [Ranking.of(is_fraud, np.nan_to_num(scores)) for scores in models]
    customer = trial.examples.rows["customer_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    number = int(customer.max()) + 1
    draw = np.random.default_rng(seed)
    drawn = [
        [ranking.average_precision(np.ones(len(is_fraud))) for ranking in rankings]
    ]  # the sample as it is
    for _ in range(bounds.resamples):
        times = np.bincount(draw.integers(0, number, number), minlength=number)
        weights = times[customer].astype(np.float64)
        drawn.append([ranking.average_precision(weights) for ranking in rankings])
    return np.array(drawn)


def _summary(drawn: Drawn, confidence: float) -> tuple[float, Interval]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn[1:], [tail, 1 - tail])
    return float(drawn[0]), (float(low), float(high))
