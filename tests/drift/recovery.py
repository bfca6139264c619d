"""What retraining gave: the scores that were served beside a model fitted by hand and one never replaced."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from services.training.examples import Examples
from services.training.gates.evidence import Trial
from services.training.gates.performance import performance
from services.training.metrics import average_precision
from services.training.recipe import Recipe
from services.training.train import trained
from shared.features import definitions
from shared.policy import RolloutPolicy
from shared.sketches import DAY
from tests.drift.kinds import CHANGE_DAY
from tests.drift.live import Observed

WEEK = 7
FRESH_SHARE = 0.90
"""Of the average precision of a model fitted by hand, that what is served must reach."""
RETRAINING_GAIN = 0.10
"""By which it must be above the model that never retrains, where fraud has changed."""
POLICY = RolloutPolicy.load()


def recovery(
    kind: str, seed: int, found: Observed, start: int, days: int
) -> tuple[dict[str, Any], list[str]]:
    """Return what the last week shows, and a sentence for each bound that it misses.

    The fresh model learns, by the same recipe and from labels as they truly are, from the newest days whose
    labels were known as the last week began; the one that never retrains acted as the change came.
    """
    examples = Examples(found.rows, found.features)
    last = start + (days - WEEK) * DAY
    week = examples.within(last, start + days * DAY)
    features, recipe = definitions(), Recipe()
    end = last - features.horizon - features.label_lag
    fresh = trained(examples.within(end - recipe.days * DAY, end), recipe)
    before = examples.within(start + (CHANGE_DAY - 1) * DAY, start + CHANGE_DAY * DAY)
    kept = before.rows["model_version"].mode()[0]
    if kept is None:
        return {}, [f"{kind} {seed}: no model acted as the change came"]
    scores = {
        "served": np.nan_to_num(week.rows["score"].to_numpy()),
        "fresh": fresh.predict(week.features),
        "kept": found.models[kept].predict(week.features),
    }
    precision = {name: _precision(week, each) for name, each in scores.items()}
    return {"ap_last_week": {**precision, "frauds": week.frauds}}, _missed(f"{kind} {seed}", kind, precision)


def promotions(kind: str, seed: int, found: Observed, end: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return each promotion with what it gave until the next, and a sentence for each that lowered it.

    One did where the interval of the paired bootstrap lies wholly below zero.
    """
    examples, champions, missed, rows = Examples(found.rows, found.features), found.promotions, [], []
    times = [*(each.event_time for each in champions), end]
    for place, (older, newer) in enumerate(pairwise(champions), start=1):
        reign = examples.within(times[place], times[place + 1])
        numbers = _gain(reign, found.models[newer.version], found.models[older.version])
        rows.append({"version": newer.version, "since": newer.event_time, "frauds": reign.frauds, **numbers})
        if kind == "control" and numbers.get("gain_high", 0.0) < 0:
            missed.append(f"{kind} {seed}: the promotion of {newer.version} lowered average precision")
    return rows, missed


def _gain(reign: Examples, newer: Any, older: Any) -> dict[str, float]:
    if not len(reign):
        return {}
    trial = Trial(reign, newer.predict(reign.features), older.predict(reign.features))
    numbers = performance(trial, POLICY.comparison).numbers
    return {
        name: round(float(numbers[name]), 4) for name in ("gain", "gain_low", "gain_high") if name in numbers
    }


def _precision(week: Examples, scores: npt.NDArray[np.float64]) -> float:
    return round(average_precision(week.is_fraud, scores) or 0.0, 4)


def _missed(name: str, kind: str, precision: Mapping[str, float]) -> list[str]:
    served, fresh, kept = (precision[each] for each in ("served", "fresh", "kept"))
    missed = []
    if served < FRESH_SHARE * fresh:
        missed.append(
            f"{name}: average precision {served} is below {FRESH_SHARE:g} of a fresh model's {fresh}"
        )
    if kind in ("abrupt", "gradual") and served < kept + RETRAINING_GAIN:
        missed.append(
            f"{name}: average precision {served} is not {RETRAINING_GAIN:g} above {kept} without retraining"
        )
    if kind == "shift" and served < kept - POLICY.comparison.most_loss:
        missed.append(f"{name}: average precision {served} lost against {kept} without retraining")
    return missed
