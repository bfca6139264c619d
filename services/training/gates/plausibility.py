"""Gate `plausibility`: a result that is too good to be true is a label that leaked."""

from __future__ import annotations

import numpy as np

from services.training.gates.evidence import Features, Labels, Learned, Scores, Trial
from services.training.gates.performance import Ranking
from services.training.gates.verdict import Verdict, unknown
from shared.policy.gates import Plausibility

GATE = "plausibility"
NUMBERS = ("early_label_share", "average_precision", "feature_precision")
LEAST_FRAUDS = 20  # below this a perfect order is chance


def feature_precision(is_fraud: Labels, column: Features) -> float:
    """Return the average precision of one feature alone, upwards or downwards, whichever is higher.

    Undefined values stand at the end that suits the frauds better.
    """
    weights = np.ones(len(column))
    values = column.astype(np.float64)
    is_undefined = np.isnan(values)
    found = []
    for sign in (1, -1):
        for place in (-np.inf, np.inf) if is_undefined.any() else (0.0,):
            scores = np.where(is_undefined, place, sign * values)
            found.append(Ranking.of(is_fraud, _finite(scores)).average_precision(weights))
    return max(found)


def plausibility(learned: Learned, trial: Trial, names: list[str], bounds: Plausibility) -> Verdict:
    """Return whether labels may have leaked: into the result, into one feature, or ahead of their time."""
    early = early_label_share(learned)
    held = [(early, bounds.most_early_label_share, "The share of labels from after the fit")]
    frauds, rows = trial.examples.frauds, len(trial.examples)
    has_evidence = LEAST_FRAUDS <= frauds < rows
    if has_evidence:
        held += _precisions(trial, names, bounds)
    value, limit, what = max(held, key=lambda each: each[0] / each[1])
    if not has_evidence and value <= limit:
        return unknown(GATE, f"{frauds} frauds among {rows} payments; {LEAST_FRAUDS} are needed.")
    return Verdict(
        gate=GATE,
        outcome="fail" if value > limit else "pass",
        sentence=f"{what} is {value:.3f}; above {limit:.3g} a label leaked.",
        value=value,
        limit=limit,
        numbers={name: each[0] for name, each in zip(NUMBERS, held, strict=False)},
    )


def _precisions(trial: Trial, names: list[str], bounds: Plausibility) -> list[tuple[float, float, str]]:
    is_fraud, features = trial.examples.is_fraud, trial.examples.features
    ranking = Ranking.of(is_fraud, np.nan_to_num(trial.scores))
    alone = [feature_precision(is_fraud, features[:, place]) for place in range(len(names))]
    best = int(np.argmax(alone))
    what = "The average precision of"
    return [
        (
            ranking.average_precision(np.ones(len(is_fraud))),
            bounds.most_average_precision,
            f"{what} the scores",
        ),
        (alone[best], bounds.most_feature_precision, f"{what} {names[best]} alone"),
    ]


def early_label_share(learned: Learned) -> float:
    """Return the share of training rows whose label came after the fit, or before its payment."""
    label_times = learned.examples.rows["label_time"].to_numpy()
    is_early = (label_times > learned.known_by) | (label_times < learned.examples.times)
    return float(is_early.mean()) if len(is_early) else 0.0


def _finite(scores: Scores) -> Scores:
    return np.nan_to_num(scores, posinf=np.finfo(np.float64).max, neginf=np.finfo(np.float64).min)
