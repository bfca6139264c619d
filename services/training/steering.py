"""Moves that are due, appended to the log of models one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from services.training.health import Healths
from services.training.paired import Comparison, compared
from services.training.rollout import Evidence, moves, pair
from services.training.split import DAY
from shared.features import FeatureSet
from shared.models import ModelLog, ModelRecord, Standing
from shared.policy import RolloutPolicy

WHO = "training"

RowsOf = Callable[[int, int], pl.DataFrame]
"""Returns the labelled payments with event time in [start, end), microseconds."""


@dataclass(slots=True)
class Steering:
    """What training knows at an event time, as evidence on the versions that stand."""

    rows_of: RowsOf
    healths: Healths
    features: FeatureSet
    policy: RolloutPolicy
    now: int
    _compared: dict[tuple[str, str], Comparison] = field(default_factory=dict)

    def steer(self, log: ModelLog) -> list[ModelRecord]:
        """Append all moves that are due; return their events.

        Killed at any point it goes on where the log ends: each move follows from what stands. Where
        another writer came first, it is decided again.
        """
        made = []
        while (record := log.append(self._next)) is not None:
            made.append(record)
        return made

    def evidence(self, stands: Standing) -> Evidence:
        """Return what is known of the pair that stands."""
        found, beside = pair(stands), stands.challenger
        if found is None or beside is None:
            return Evidence()
        if found not in self._compared:
            until = self.now - self.features.horizon - self.features.label_lag
            start = until - self.policy.evidence_days * DAY
            if stands.is_on_probation and stands.champion is not None:
                start = max(start, stands.champion.since)
            rows = self.rows_of(start, max(until, start))
            self._compared[found] = compared(rows, *found, self.policy.comparison)
        return Evidence(self._compared[found], self.healths.of(beside.version))

    def _next(self, stands: Standing) -> ModelRecord | None:
        due = moves(stands, self.evidence(stands), self.policy, self.now)
        return due[0].record(WHO, self.now) if due else None
