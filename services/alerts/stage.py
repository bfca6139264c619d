"""Flagged payments become alerts with reasons."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl

from services.alerts.reasons import Explained, ReasonsFailure, effects, reasons
from services.alerts.reports import Reports
from shared import wire
from shared.features import FeatureSet
from shared.policy import Decision
from shared.stream import Batch, Input, Outgoing, Stage

INPUT, OUTPUT = "scores.v1", "alerts.v1"
FLAGGED = [Decision.REVIEW, Decision.DECLINE]
COPIED = (
    "transaction_id",
    "event_time",
    "accepted_at",
    "customer_id",
    "terminal_id",
    "amount",
    "currency",
    "amount_base",
    "score",
    "decision",
    "model_version",
    "policy_version",
)
Reasons = list[dict[str, Any]]


class Models(Protocol):
    """Where the models come from."""

    def model(self, version: str) -> Explained | None:
        """Return a version's model; None when it cannot be had."""
        ...


class AlertsStage(Stage):
    """Explains each flagged payment by the model that scored it.

    The version is in the record, so taking a record again gives the same alert. Without its model an
    alert goes out with no reasons: late or lost would be worse.
    """

    inputs = (Input(INPUT),)
    is_patient = True

    def __init__(self, models: Models, features: FeatureSet, max_reasons: int, reports: Reports) -> None:
        self._models = models
        self._columns = [f"{entity.name}_features" for entity in features.entities]
        self._max_reasons = max_reasons
        self._reports = reports

    def process(self, batch: Batch) -> list[Outgoing]:
        """Return the alerts of a batch of scores, in its order."""
        rows = np.flatnonzero(np.isin(batch.fields(["decision"]).numbers("decision"), FLAGGED))
        if not rows.size:
            return []
        scores = wire.decode_columns([batch.values[row] for row in rows.tolist()], [*COPIED, *self._columns])
        flagged = scores.with_columns(pl.col("decision").cast(pl.String), row=pl.Series(rows))
        self._reports.flagged(flagged["decision"].to_list())
        explained = self._explained(flagged)
        times = pl.col("event_time", "accepted_at").to_physical()
        alerts = flagged.select("row", *COPIED).with_columns(times).to_dicts()
        values = []
        for alert, why in zip(alerts, explained, strict=True):
            row = alert.pop("row")
            source = wire.source_bytes(int(batch.partitions[row]), int(batch.offsets[row]))
            values.append(wire.encode(OUTPUT, {**alert, "source": source, "reasons": why}))
        return [Outgoing(OUTPUT, [alert["customer_id"].encode() for alert in alerts], values)]

    def _explained(self, flagged: pl.DataFrame) -> list[Reasons]:
        result: list[Reasons] = [[]] * flagged.height
        versions = flagged["model_version"].to_numpy()
        for version in dict.fromkeys(versions.tolist()):
            rows = np.flatnonzero(versions == version)
            for row, why in zip(rows.tolist(), self._by_model(version, flagged[rows]), strict=True):
                result[row] = why
        return result

    def _by_model(self, version: str, flagged: pl.DataFrame) -> list[Reasons]:
        model = self._models.model(version)
        if model is None:
            return self._without(version, flagged.height, "the model is not in the topic, or is refused")
        matrix = np.concatenate([wire.feature_matrix(flagged, name) for name in self._columns], axis=1)
        try:
            if matrix.shape[1] != len(model.names):
                raise ReasonsFailure(f"{matrix.shape[1]} features, the model takes {len(model.names)}")
            falls = effects(model, matrix, flagged["score"].to_numpy())
        except ReasonsFailure as failure:
            return self._without(version, flagged.height, str(failure))
        return [reasons(model, *pair, self._max_reasons) for pair in zip(matrix, falls, strict=True)]

    def _without(self, version: str, count: int, detail: str) -> list[Reasons]:
        self._reports.unexplained(version, count, detail)
        return [[] for _ in range(count)]
