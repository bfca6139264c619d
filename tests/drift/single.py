"""A simulated history through the stages in one thread, without Kafka: the sketches that services give."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

import schemas
from services.features.stage import FeaturesStage
from services.ingest.money import currencies
from services.ingest.payments import PaymentChecks
from services.ingest.sketches import IngestSketches
from services.ingest.stage import IngestStage
from services.labels.sketches import LabelSketches
from services.labels.stage import DAY, LabelsStage, Times
from services.replay.delayed import DelayedLabel
from services.replay.records import LABELS, PAYMENTS, avro_labels, avro_payments
from services.scoring.reports import Reports
from services.scoring.stage import Rules, ScoringStage
from services.training.examples import Examples, decoded, upserted
from services.training.publish import manifest_of
from services.training.recipe import Recipe
from services.training.train import newest
from shared.features import definitions
from shared.models import Manifest
from shared.models.acting import Acting
from shared.models.loading import Model
from shared.settings import Settings
from shared.settings.model import ScoringSettings
from shared.stream import partitions
from shared.stream.dead_letters import DeadLetters
from shared.telemetry import Telemetry
from tests.drift.kinds import DELAYS
from tests.faults.single import Record, SingleThread

SKETCH_SECONDS = 3600  # the broker's time is event time here
PART = DAY // 4  # of event time: well below the label lag, so that no label counts late


@dataclass
class OneModel:
    """The models of scoring: a champion that is set by hand."""

    champion: Model | None = None

    def current(self) -> Acting:
        """Return champion and challenger."""
        return Acting(self.champion)

    def close(self) -> None:
        """Do nothing."""


class Stream:
    """All stages from raw records to examples, fed day by day."""

    def __init__(self, folder: Path) -> None:
        scoring = ScoringSettings(sketch_seconds=SKETCH_SECONDS)
        settings, features = Settings(keys_folder=folder / "keys", scoring=scoring), definitions()
        ingest = settings.ingest
        rates = currencies(schemas.toml("rates"), ingest.max_amount)
        checks = PaymentChecks(rates, ingest.token_fields, settings.secret("tokens"), ingest.max_id_length)
        times = Times(features.horizon, features.label_lag, settings.labels.correction_days * DAY)
        letters, self.models = DeadLetters("tests", settings), OneModel()
        self.single = SingleThread(
            [
                IngestStage(
                    folder / "ingest",
                    ingest,
                    checks,
                    letters,
                    settings.topic,
                    _ignore,
                    IngestSketches("ingest-0", SKETCH_SECONDS),
                ),
                *(FeaturesStage(features, entity, None) for entity in features.entities),
                ScoringStage(self.models, Rules.load(), features, settings, Reports(Telemetry("scoring"))),
                LabelsStage(
                    folder / "labels", times, LabelSketches("labels-0", SKETCH_SECONDS), letters, _ignore
                ),
            ]
        )
        self._pending: list[DelayedLabel] = []
        self._taken = 0

    def play(self, frame: pl.DataFrame) -> list[bytes]:
        """Take a day's payments and the labels due meanwhile; return the sketches that they close."""
        for part in frame.with_columns(part=pl.col("event_time") // PART).partition_by("part"):
            payments = part.drop("part")
            self.single.accepted_ms = payments["event_time"][0] // 1000
            for label in DELAYS.labels(payments):
                heapq.heappush(self._pending, label)
            labels = []
            while self._pending and self._pending[0].label_time <= payments["event_time"][-1]:
                labels.append(heapq.heappop(self._pending))
            self.single.feed(_raw(LABELS, avro_labels(labels)))
            self.single.feed(_raw(PAYMENTS, avro_payments(payments)))
        log = self.single.logs.get("sketches.v1", [[]])[0]
        fresh, self._taken = [record.value for record in log[self._taken :]], len(log)
        return fresh

    def examples(self) -> Examples:
        """Return the examples so far."""
        values = [record.value for log in self.single.logs["examples.v1"] for record in log]
        return upserted([decoded(values, definitions().version)])

    def train(self, recipe: Recipe) -> Manifest:
        """Fit a model to the examples so far and let it act; return its manifest."""
        trained = newest(self.examples(), recipe)
        manifest = manifest_of(trained, recipe, {}, definitions())
        medians = trained.medians.astype("float32")
        self.models.champion = Model(manifest, trained.fitted.predictor, medians)
        return manifest


def _raw(topic: str, records: list[tuple[bytes, bytes]]) -> Iterator[tuple[str, int, Record]]:
    chosen = partitions([key for key, _ in records], schemas.partition_count(topic)).tolist()
    for (key, value), partition in zip(records, chosen, strict=True):
        yield topic, partition, Record(key, value)


def _ignore(result: str, number: int) -> None:
    pass
