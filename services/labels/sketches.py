"""Scores by label, summarised: what the monitor measures performance from."""

from __future__ import annotations

import numpy as np

from services.labels.examples import Join
from shared import wire
from shared.sketches import SCORE_EDGES, Layout, Origin, Sketcher, Traffic
from shared.stream import Batch, Outgoing

LAYOUT = Layout({"score_genuine": SCORE_EDGES, "score_fraud": SCORE_EDGES})


class LabelSketches:
    """Histograms of the scores of genuine and of fraudulent payments, by model version and second.

    The offsets of a sketch are those of the records, scores or labels, that made the examples known.
    A corrected label is counted again, under what it says now.
    """

    def __init__(self, writer: str, span_seconds: int) -> None:
        self._writer, self._span_seconds = writer, span_seconds
        self._sketchers: dict[tuple[str, str], Sketcher] = {}

    def add(self, batch: Batch, join: Join) -> list[Outgoing]:
        """Count the scored examples of a batch; return the sketches that they close."""
        values = [score.value for score in join.scores]
        if not values:
            return []
        found = wire.decode_columns(values, ["score", "model_version"])
        versions = found["model_version"].to_list()
        scores = found["score"].cast(float).to_numpy()
        triggers, is_fraud = np.array(join.triggers, np.int64), np.array(join.is_fraud)
        matrix = np.column_stack((np.where(is_fraud, np.nan, scores), np.where(is_fraud, scores, np.nan)))
        places, times = np.array(join.partitions, np.int32), [score.event_time for score in join.scores]
        accepted_ms = np.full(len(values), batch.accepted_ms.max())
        all_rows = Traffic(places, triggers, accepted_ms, np.array(times, np.int64), matrix)
        result = []
        for version in sorted({each for each in versions if each is not None}):
            rows = np.array([each == version for each in versions])
            traffic = Traffic(*(column[rows] for column in all_rows))
            result += self._sketcher(batch.topic, version).add(traffic, version)
        return result

    def release(self, partition: int) -> list[Outgoing]:
        """End the open sketches of a partition."""
        return [each for sketcher in self._sketchers.values() for each in sketcher.release(partition)]

    def _sketcher(self, topic: str, version: str) -> Sketcher:
        if (topic, version) not in self._sketchers:
            origin = Origin(self._writer, "labels", topic)
            self._sketchers[topic, version] = Sketcher(origin, LAYOUT, self._span_seconds)
        return self._sketchers[topic, version]
