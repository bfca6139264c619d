"""Scores by label, summarised: what the monitor measures performance from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.labels.examples import Join
from shared import wire
from shared.policy import Decision
from shared.sketches import DAY, SCORE_EDGES, Layout, Origin, Sketcher, Traffic, code_edges
from shared.stream import Batch, Outgoing

NEVER_MS = 1 << 62
ONE_BIN = np.empty(0)  # only the sum of such a column matters
LAYOUT = Layout(
    {
        "score_genuine": SCORE_EDGES,
        "score_fraud": SCORE_EDGES,
        "decision_genuine": code_edges(len(Decision)),
        "decision_fraud": code_edges(len(Decision)),
        "score_squared_error": ONE_BIN,
        "expected_loss": ONE_BIN,
        "realised_loss": ONE_BIN,
        "realised_loss_squared": ONE_BIN,
        "loss_squared_error": ONE_BIN,
    }
)
COLUMNS = ("score", "model_version", "decision", "amount_base")


class LabelSketches:
    """Scores and decisions of genuine and of fraudulent payments, by model version, day and second.

    The day is that of the payments, so that what is known of a day's payments adds up. Sketches also end
    with the day on which scores or labels come, so that a fast replay gives those of a slow one. The
    offsets of a sketch are those of the records, scores or labels, that made the examples known. Losses
    are in minor units of the base currency: expected is score x amount, realised the amount of a fraud.
    A corrected label is counted again, under what it says now.
    """

    def __init__(self, writer: str, span_seconds: int) -> None:
        self._writer, self._span_seconds = writer, span_seconds
        self._sketchers: dict[tuple[str, str, int], Sketcher] = {}
        self._reached: dict[str, int] = {}

    def add(self, batch: Batch, join: Join) -> list[Outgoing]:
        """Count the scored examples of a batch; return the sketches that they close."""
        result = self._expired(batch, join)
        values = [score.value for score in join.scores]
        if not values:
            return result
        found = wire.fields(wire.join(values), COLUMNS)
        times = np.array([score.event_time for score in join.scores], np.int64)
        places, triggers = np.array(join.partitions, np.int32), np.array(join.triggers, np.int64)
        accepted_ms = np.full(len(values), batch.accepted_ms.max())
        all_rows = Traffic(places, triggers, accepted_ms, times, _matrix(found, np.array(join.is_fraud)))
        groups: dict[tuple[bytes, int], list[int]] = {}
        days = (times // DAY).tolist()
        for row, name in enumerate(zip(found.texts("model_version"), days, strict=True)):
            groups.setdefault(name, []).append(row)
        for (model, day), rows in groups.items():
            if version := model.decode():  # none where no model acted
                traffic = Traffic._make(column[rows] for column in all_rows)
                result += self._sketcher(batch.topic, version, day).add(traffic, version)
        return result

    def release(self, partition: int) -> list[Outgoing]:
        """End the open sketches of a partition."""
        return [each for sketcher in self._sketchers.values() for each in sketcher.release(partition)]

    def _expired(self, batch: Batch, join: Join) -> list[Outgoing]:
        """Return the sketches of earlier seconds, or of all when records come from another day."""
        result = []
        day, now = _day(batch, join), int(batch.accepted_ms.max())
        if day > self._reached.setdefault(batch.topic, day):
            self._reached[batch.topic], now = day, NEVER_MS
        for partition in np.unique(batch.partitions).tolist():
            for (topic, _, _), sketcher in self._sketchers.items():
                result += sketcher.expire(partition, now) if topic == batch.topic else []
        self._sketchers = {name: each for name, each in self._sketchers.items() if not each.is_empty}
        return result

    def _sketcher(self, topic: str, version: str, day: int) -> Sketcher:
        name = topic, version, day
        if name not in self._sketchers:
            origin = Origin(self._writer, "labels", topic)
            self._sketchers[name] = Sketcher(origin, LAYOUT, self._span_seconds, DAY)
        return self._sketchers[name]


def _day(batch: Batch, join: Join) -> int:
    """Return the newest day of event time that a batch tells of, 0 where it tells of none."""
    if batch.topic == "scores.v1":
        return int(batch.event_times.max()) // DAY
    return max((version.label_time for _, _, version in join.outcomes), default=0) // DAY


def _matrix(found: wire.Fields, is_fraud: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    scores = found.doubles("score")
    amounts = found.numbers("amount_base").astype(np.float64)
    decisions = found.numbers("decision").astype(np.float64)
    expected, realised = scores * amounts, is_fraud * amounts
    return np.column_stack(
        (
            np.where(is_fraud, np.nan, scores),
            np.where(is_fraud, scores, np.nan),
            np.where(is_fraud, np.nan, decisions),
            np.where(is_fraud, decisions, np.nan),
            (scores - is_fraud) ** 2,
            expected,
            realised,
            realised**2,
            (expected - realised) ** 2,
        )
    )
