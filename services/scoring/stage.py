"""Payments grow by the scores of two models and by the decision of the one that acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

import schemas
from services.scoring.blocks import FeatureBlocks
from services.scoring.breaker import Breaker
from services.scoring.canary import Chosen, is_chosen, mixed
from services.scoring.reports import Reports
from services.scoring.scores import (
    Block,
    Codes,
    Features,
    ModelFailure,
    Scored,
    Scorer,
    Scores,
    appended,
    scored,
)
from shared import wire
from shared.features import FeatureSet
from shared.policy import Decision, GuardsPolicy, Policy, RolloutPolicy
from shared.settings import Settings
from shared.sketches import SCORE_EDGES, Layout, Origin, Sketcher, Traffic, code_edges
from shared.stream import Batch, Input, Outgoing, Stage

INPUT, OUTPUT = "features.terminal.v1", "scores.v1"


class Models(Protocol):
    """Where the acting models come from."""

    def current(self) -> tuple[Scorer | None, Scorer | None, bool]:
        """Return champion and challenger, None where there is none, and whether the latter is a canary."""
        ...

    def close(self) -> None:
        """Stop following."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides: thresholds, the canary's share of the customers, the cap on declines."""

    policy: Policy
    canary_share: float
    declines_per_hour: int

    @classmethod
    def load(cls) -> Rules:
        """Return the rules of schemas/policy.toml; raises PolicyError."""
        return cls(Policy.load(), RolloutPolicy.load().canary_share, GuardsPolicy.load().declines_per_hour)


class ScoringStage(Stage):
    """Scores by the models that act when a batch is taken: one pair for the whole batch.

    Of a canary and the champion either acts, by customer; the other scores beside it.

    A champion that fails ends the service and the payments wait: no score is better than a wrong one.
    A challenger that fails is set aside until the next start.
    """

    inputs = (Input(INPUT),)

    def __init__(
        self, models: Models, rules: Rules, features: FeatureSet, settings: Settings, reports: Reports
    ) -> None:
        self._models = models
        self._rules = rules
        self._breaker = Breaker(rules.declines_per_hour, schemas.partition_count(INPUT))
        self._reports = reports
        self._blocks = FeatureBlocks(features)
        columns = {**features.bins, "score": SCORE_EDGES, "decision": code_edges(len(Decision))}
        origin = Origin(f"scoring-{settings.instance}", "scores", INPUT)
        self._sketcher = Sketcher(origin, Layout(columns), settings.scoring.sketch_seconds)
        self._set_aside: set[str] = set()
        self._waiting: list[Outgoing] = []

    def process(self, batch: Batch) -> list[Outgoing]:
        """Return the payments as scores, and the summaries that they complete."""
        champion, challenger, is_canary = self._models.current()
        matrix, times = self._blocks.read(batch), batch.event_times
        acting, beside = pair = scored(champion, matrix), self._beside(challenger, matrix, times)
        decisions, chosen = self._decided(batch, pair, is_canary)
        self._reports.tripped(self._breaker.limit(batch.partitions, times, decisions), acting.version)
        self._reports.acting(acting.version, beside.version)
        self._reports.decided(decisions)
        grown = batch.grow(OUTPUT, self._appended(pair, decisions, chosen))
        own = decisions if chosen is None else np.where(chosen, np.nan, decisions)  # not the canary's
        columns: Scores = np.column_stack((matrix, acting.scores, own))
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

    def carried(self, partition: int) -> list[int]:
        """Return the declines of the partition's hour."""
        return self._breaker.state(partition)

    def carry_on(self, partition: int, carried: list[int] | None) -> None:
        """Count on from the declines that were committed."""
        self._breaker.take(partition, carried)

    def _beside(self, challenger: Scorer | None, matrix: Features, times: npt.NDArray[np.int64]) -> Scored:
        if challenger is None or challenger.version in self._set_aside:
            return scored(None, matrix)
        try:
            with self._reports.timed():
                return scored(challenger, matrix)
        except ModelFailure as failure:
            self._set_aside.add(challenger.version)
            self._reports.failed(challenger.version, int(times.max()), str(failure))
            return scored(None, matrix)

    def _decided(
        self, batch: Batch, pair: tuple[Scored, Scored], is_canary: bool
    ) -> tuple[Codes, Chosen | None]:
        acting, beside = pair
        decisions = self._rules.policy.decide(acting.scores)
        if acting.version is None or beside.version is None:
            return decisions, None
        others = self._rules.policy.decide(beside.scores)
        self._reports.beside(beside.version, int(batch.event_times.max()), others, decisions)
        if not is_canary:
            return decisions, None
        customers = batch.fields(["customer_id"]).texts("customer_id")
        chosen = is_chosen(customers, beside.version, self._rules.canary_share)
        return np.where(chosen, others, decisions), chosen

    def _appended(
        self, pair: tuple[Scored, Scored], decisions: Codes, chosen: Chosen | None
    ) -> Block | wire.Joined:
        acting, beside = pair
        block = appended(acting, decisions, beside, self._rules.policy.version)
        if chosen is None:
            return block
        return mixed(chosen, block, appended(beside, decisions, acting, self._rules.policy.version))
