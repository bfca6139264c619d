"""Payments grow by the scores of champion and challenger and by the decision."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.scoring.blocks import FeatureBlocks
from services.scoring.reports import Reports
from services.scoring.scores import Features, ModelFailure, Scored, Scorer, Scores, appended, scored
from shared.features import FeatureSet
from shared.policy import Decision, Policy
from shared.settings import Settings
from shared.sketches import SCORE_EDGES, Layout, Origin, Sketcher, Traffic, code_edges
from shared.stream import Batch, Input, Outgoing, Stage

INPUT, OUTPUT = "features.terminal.v1", "scores.v1"


class Models(Protocol):
    """Where the acting models come from."""

    def current(self) -> tuple[Scorer | None, Scorer | None]:
        """Return champion and challenger, None where there is none."""
        ...

    def close(self) -> None:
        """Stop following."""
        ...


class ScoringStage(Stage):
    """Scores by the models that act when a batch is taken: one pair for the whole batch.

    A champion that fails ends the service and the payments wait: no score is better than a wrong one.
    A challenger that fails is set aside until the next start.
    """

    inputs = (Input(INPUT),)

    def __init__(
        self, models: Models, policy: Policy, features: FeatureSet, settings: Settings, reports: Reports
    ) -> None:
        self._models = models
        self._policy = policy
        self._reports = reports
        self._blocks = FeatureBlocks(features)
        columns = {**features.bins, "score": SCORE_EDGES, "decision": code_edges(len(Decision))}
        origin = Origin(f"scoring-{settings.instance}", "scores", INPUT)
        self._sketcher = Sketcher(origin, Layout(columns), settings.scoring.sketch_seconds)
        self._set_aside: set[str] = set()
        self._waiting: list[Outgoing] = []

    def process(self, batch: Batch) -> list[Outgoing]:
        """Return the payments as scores, and the summaries that they complete."""
        champion, challenger = self._models.current()
        matrix, times = self._blocks.read(batch), batch.event_times
        acting = scored(champion, matrix)
        shadow = self._shadow(challenger, matrix, times)
        decisions = self._policy.decide(acting.scores)
        self._reports.acting(acting.version, shadow.version)
        self._reports.decided(decisions)
        grown = batch.grow(OUTPUT, appended(acting, decisions, shadow, self._policy.version))
        columns: Scores = np.column_stack((matrix, acting.scores, decisions))
        traffic = Traffic(batch.partitions, batch.offsets, batch.accepted_ms, times, columns)
        sketches = self._sketcher.add(traffic, acting.version)
        return [Outgoing(OUTPUT, batch.keys, grown), *sketches, *self.idle()]

    def idle(self) -> list[Outgoing]:
        """Return signals, and the last sketches of partitions that went elsewhere."""
        waiting, self._waiting = self._waiting, []
        return [*waiting, *self._reports.take()]

    def release(self, partition: int) -> None:
        """End the partition's open sketch."""
        self._waiting += self._sketcher.release(partition)

    def close(self) -> None:
        """Stop following the models."""
        self._models.close()

    def _shadow(self, challenger: Scorer | None, matrix: Features, times: npt.NDArray[np.int64]) -> Scored:
        if challenger is None or challenger.version in self._set_aside:
            return scored(None, matrix)
        try:
            return scored(challenger, matrix)
        except ModelFailure as failure:
            self._set_aside.add(challenger.version)
            self._reports.failed(challenger.version, int(times.max()), str(failure))
            return scored(None, matrix)
