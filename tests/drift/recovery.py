"""What retraining gave: the scores that were served beside a model fitted by hand and one never replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
from shared.models import ModelRecord, Standing
from shared.models.lifecycle import applied
from shared.policy import GatesPolicy
from shared.sketches import DAY
from tests.drift.live import Observed

WEEK = 7
FRESH_SHARE = 0.90
"""Of the average precision of a model fitted by hand, that what is served must reach."""
RETRAINING_GAIN = 0.10
"""By which it must be above the model that never retrains, where fraud has changed."""
MOST_LOSS = 0.02
"""By which it may be below the model that never retrains where only inputs shift: the noise of a week."""
BOUNDS = GatesPolicy.load().performance
GAIN = ("gain", "gain_low", "gain_high")


@dataclass(frozen=True, slots=True)
class Reign:
    """A version, the event time since which it is champion, and the status of the event that brought it."""

    version: str
    since: int
    status: str


def reigns(events: Iterable[ModelRecord]) -> list[Reign]:
    """Return the champions one after the other."""
    stands, found = Standing(), list[Reign]()
    for event in events:
        stands = applied(stands, event)
        acting = stands.champion
        if acting is not None and (not found or found[-1].version != acting.version):
            found.append(Reign(acting.version, event.event_time, event.status))
    return found


def recovery(kind: str, seed: int, found: Observed, end: int) -> tuple[dict[str, Any], list[str]]:
    """Return what the last week shows, and a sentence for each bound that it misses.

    The fresh model learns, by the same recipe and from labels as they truly are, from the newest days whose
    labels were known as the last week began; the one that is kept was trained by hand before the change.
    """
    examples = Examples(found.rows, found.features)
    start = end - WEEK * DAY
    week = examples.within(start, end)
    features, recipe = definitions(), Recipe()
    known = start - features.horizon - features.label_lag
    fresh = trained(examples.within(known - recipe.days * DAY, known), recipe)
    kept = found.models[reigns(found.events)[0].version]
    scores = {
        "served": np.nan_to_num(week.rows["score"].to_numpy()),
        "fresh": fresh.predict(week.features),
        "kept": kept.predict(week.features),
    }
    precision = {name: _precision(week, each) for name, each in scores.items()}
    return {"ap_last_week": {**precision, "frauds": week.frauds}}, _missed(f"{kind} {seed}", kind, precision)


def promotions(kind: str, seed: int, found: Observed) -> tuple[list[dict[str, Any]], list[str]]:
    """Return each promotion with what it gave from then on, and a sentence for each that lowered precision.

    It is held against its predecessor on all payments since; it lowered it where the interval of the paired
    bootstrap lies wholly below zero.
    """
    examples, missed, rows = Examples(found.rows, found.features), list[str](), []
    for older, newer in pairwise(reigns(found.events)):
        if newer.status != "champion":
            rows.append({"version": newer.version, "since": newer.since, "back_after": older.version})
            continue
        later = examples.where(examples.times >= newer.since)
        trial = Trial(later, *(found.models[each.version].predict(later.features) for each in (newer, older)))
        numbers = performance(trial, BOUNDS).numbers
        gain = {name: round(value, 4) for name in GAIN if (value := numbers.get(name)) is not None}
        rows.append({"version": newer.version, "since": newer.since, "frauds": later.frauds, **gain})
        if kind == "control" and gain.get("gain_high", 0.0) < 0:
            missed.append(f"{kind} {seed}: the promotion of {newer.version} lowered average precision")
    return rows, missed


def _precision(week: Examples, scores: npt.NDArray[np.float64]) -> float:
    return round(average_precision(week.is_fraud, scores) or 0.0, 4)


def _missed(name: str, kind: str, precision: Mapping[str, float]) -> list[str]:
    served, fresh, kept = (precision[each] for each in ("served", "fresh", "kept"))
    told, missed = f"{name}: average precision {served} of the last week is", []
    if served < FRESH_SHARE * fresh:
        missed.append(f"{told} below {FRESH_SHARE:g} of a fresh model's {fresh}")
    if kind in ("abrupt", "gradual") and served < kept + RETRAINING_GAIN:
        missed.append(f"{told} not {RETRAINING_GAIN:g} above {kept} without retraining")
    if kind == "shift" and served < kept - MOST_LOSS:
        missed.append(f"{told} more than {MOST_LOSS:g} below {kept} without retraining")
    return missed
