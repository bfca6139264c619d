"""Moves that are due, appended to the log of models one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from services.training.dataset import Dataset
from services.training.floods import COLUMNS, FLOOD_DAYS, Flood, floods
from services.training.health import Healths
from services.training.paired import Comparison, compared
from services.training.recipe import WAITED_DAYS
from services.training.rollout import Evidence, moves, pair
from services.training.split import DAY
from shared.features import FeatureSet
from shared.models import ModelLog, ModelRecord, Standing
from shared.policy import GuardsPolicy, RolloutPolicy

WHO = "training"
COMPARED = ("customer_id", "is_fraud", "score", "model_version", "challenger_score", "challenger_version")


def believed(
    dataset: Dataset, policy: RolloutPolicy, guards: GuardsPolicy, now: int
) -> tuple[pl.DataFrame, list[Flood]]:
    """Return the labelled payments that count at a time, without those of label floods, and the floods.

    Labels are counted on all the days that a refit reads, or on more where a comparison looks further back.
    """
    days = max(FLOOD_DAYS, WAITED_DAYS + policy.evidence_days)
    rows = dataset.rows(now - days * DAY, now, now, (*COMPARED, *COLUMNS))
    if not rows.height:
        return rows, []
    is_flooded, found = floods(rows, guards)
    return rows.filter(~is_flooded), found


def newest_floods(found: Iterable[Flood], now: int, label_lag: int) -> list[Flood]:
    """Return the floods of the last day whose labels all count at a time, a midnight."""
    day = (now - label_lag) // DAY - 1
    return [each for each in found if each.day == day]


def within(rows: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """Return the rows with event time in [start, end), microseconds."""
    return rows.filter(pl.col("event_time").is_between(start, end, closed="left")) if rows.height else rows


def matured(now: int, features: FeatureSet) -> int:
    """Return the event time before which the data set of a time holds all labels.

    Frauds are told of before genuine payments are known, and the log may hold these by the lag later: the
    newest days would be nearly all frauds.
    """
    return now - features.horizon - 2 * features.label_lag


@dataclass(slots=True)
class Steering:
    """What training knows at an event time, as evidence on the versions that stand."""

    rows: pl.DataFrame
    """As `believed` gives them."""
    healths: Healths
    features: FeatureSet
    policy: RolloutPolicy
    now: int
    _compared: dict[tuple[str, str, int], Comparison] = field(default_factory=dict)

    def steer(self, log: ModelLog) -> list[ModelRecord]:
        """Append all moves that are due; return their events.

        Killed at any point it goes on where the log ends: each move follows from what stands. Where
        another writer came first, it is decided again. What was decided up to a later time stands: a data
        set that is made anew passes over it.
        """
        made = []
        while (record := log.append(self._next)) is not None:
            made.append(record)
        return made

    def evidence(self, stands: Standing) -> Evidence:
        """Return what is known of the pair that stands."""
        found, beside, refused = pair(stands), stands.challenger, self.healths.refused
        if found is None or beside is None or stands.is_frozen:
            return Evidence(refused=refused)
        until = matured(self.now, self.features)
        start = until - self.policy.evidence_days * DAY
        if stands.is_on_probation and stands.champion is not None:
            start = max(start, stands.champion.since)
        if (*found, start) not in self._compared:
            rows = within(self.rows, start, until)
            self._compared[*found, start] = compared(rows, *found, self.policy.comparison)
        return Evidence(self._compared[*found, start], self.healths.of(beside.version), refused)

    def _next(self, stands: Standing) -> ModelRecord | None:
        if self.now < stands.event_time:
            return None
        due = moves(stands, self.evidence(stands), self.policy, self.now)
        return due[0].record(WHO, self.now) if due else None
