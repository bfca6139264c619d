"""The online learner: a River pipeline that takes every example once, in the order of the log."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from river import compose, linear_model, optim

from services.training.floods import COLUMNS, Cap
from services.training.split import DAY
from shared.features import FeatureSet
from shared.models.bins import Bins
from shared.policy import GuardsPolicy

RATE = 0.05  # of AdaGrad, which lowers it for each input by what that input has seen
KEPT_MORNINGS = 12  # days until a payment's label is known by implication, and some to spare


def pipeline(features: FeatureSet) -> compose.Pipeline:
    """Return the pipeline that learns: logistic regression by AdaGrad on the bins of all features."""
    edges = {name: each.tolist() for name, each in features.bins.items()}
    model = linear_model.LogisticRegression(optimizer=optim.AdaGrad(RATE), intercept_lr=RATE)
    return compose.Pipeline(Bins(edges), model)


@dataclass(slots=True)
class Learner:
    """A model that learns, with what it was on the last mornings.

    An example is scored by the model of the morning (midnight UTC) of its payment, so that nothing is
    scored by what was learnt from later labels.
    """

    model: compose.Pipeline
    names: Sequence[str]
    learnt: int = 0
    mornings: dict[int, compose.Pipeline] = field(default_factory=dict)
    """Copies by day since 1970."""
    day: int | None = None
    cap: Cap = field(default_factory=Cap)

    @classmethod
    def of(cls, features: FeatureSet, snapshot: bytes | None = None) -> Learner:
        """Return the learner of a snapshot that this service wrote; a beginner where there is none."""
        if snapshot is None:
            return cls(pipeline(features), features.names)
        learner: Learner = pickle.loads(snapshot)
        return learner

    def to_bytes(self) -> bytes:
        """Return a snapshot."""
        return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)

    def take(self, rows: pl.DataFrame, is_fresh: pl.Series, guards: GuardsPolicy) -> pl.Series:
        """Score rows in order and learn from the fresh ones; return the scores, null where none can be.

        Nothing is learned from labels beyond the limits of ``guards``.

        Parameters
        ----------
        rows
            With at, event_time, is_fraud, `floods.COLUMNS` and a column a feature, in the order of `Merge`.
        """
        scores: list[float | None] = []
        columns = rows.select("at", "event_time", "is_fraud").iter_rows()
        believed = self._believed(rows, is_fresh, guards)
        values = rows.select(self.names).to_numpy().tolist()
        for (at, time, is_fraud), row, is_learnt in zip(columns, values, believed, strict=True):
            if self.day is None or at // DAY > self.day:
                self._turn(at // DAY)
            known = {name: value for name, value in zip(self.names, row, strict=True) if value == value}
            scores.append(self._score(time // DAY, known))
            if is_learnt:
                self.model.learn_one(known, is_fraud)
                self.learnt += 1
        return pl.Series("online_score", scores, pl.Float64)

    def _believed(self, rows: pl.DataFrame, is_fresh: pl.Series, guards: GuardsPolicy) -> list[bool]:
        told = rows.select(COLUMNS).with_columns(is_fresh=is_fresh)
        return [
            is_new and (is_implied or self.cap.takes(terminal, origin, label_time // DAY, guards))
            for terminal, origin, label_time, is_implied, is_new in told.iter_rows()
        ]

    def _turn(self, day: int) -> None:
        morning = deepcopy(self.model)
        first = day if self.day is None else max(self.day + 1, day - KEPT_MORNINGS)
        self.mornings |= dict.fromkeys(range(first, day + 1), morning)
        self.mornings = {each: model for each, model in self.mornings.items() if each > day - KEPT_MORNINGS}
        self.day = day

    def _score(self, day: int, known: dict[str, Any]) -> float | None:
        morning = self.mornings.get(day)
        return None if morning is None else float(morning.predict_proba_one(known).get(True, 0.0))
