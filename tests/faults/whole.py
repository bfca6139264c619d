"""All stages as their services compose them, in one thread; and their facts, each said once."""

from __future__ import annotations

from pathlib import Path

import schemas
from services.alerts.models import VersionedModels
from services.alerts.reports import Reports as AlertReports
from services.alerts.stage import AlertsStage
from services.features.stage import FeaturesStage
from services.ingest.money import currencies
from services.ingest.payments import PaymentChecks
from services.ingest.sketches import IngestSketches
from services.ingest.stage import IngestStage
from services.labels.sketches import LabelSketches
from services.labels.stage import DAY, LabelsStage, Times
from services.scoring.reports import Reports
from services.scoring.stage import Rules, ScoringStage
from shared import wire
from shared.features import definitions
from shared.models import ActingModels
from shared.settings import Settings
from shared.stream import Stage
from shared.stream.clients import read_topic
from shared.stream.dead_letters import DeadLetters
from shared.telemetry import Telemetry
from tests.faults.single import Record, SingleThread

RAW = ("transactions.raw.v1", "labels.raw.v1")
Rank = tuple[int, int]


def single_thread(settings: Settings, folder: Path) -> SingleThread:
    """Take the raw records of Kafka through all stages in one thread, in the order of the broker's time."""
    raw = [
        (
            topic,
            message.partition() or 0,
            Record(message.key() or b"", message.value() or b"", message.timestamp()[1]),
        )
        for topic in RAW
        for message in read_topic(settings, topic)
    ]
    single = SingleThread(_stages(settings, folder))
    single.feed(sorted(raw, key=lambda each: each[2].accepted_ms))
    single.close()
    return single


def _stages(settings: Settings, folder: Path) -> list[Stage]:
    features, ingest = definitions(), settings.ingest
    rates = currencies(schemas.toml("rates"), ingest.max_amount)
    checks = PaymentChecks(rates, ingest.token_fields, settings.secret("tokens"), ingest.max_id_length)
    scoring_reports, alert_reports = Reports(Telemetry("scoring")), AlertReports(Telemetry("alerts"))
    acting = ActingModels(settings, features, scoring_reports.refused)
    acting.start()
    versions = VersionedModels.of(settings, features, alert_reports.refused)
    versions.start()
    times = Times(features.horizon, features.label_lag, settings.labels.correction_days * DAY)
    return [
        IngestStage(
            folder / "ingest",
            ingest,
            checks,
            DeadLetters("ingest", settings),
            settings.topic,
            _ignore,
            IngestSketches("ingest-0", 1),
        ),
        *(FeaturesStage(features, entity, None) for entity in features.entities),
        ScoringStage(acting, Rules.load(), features, settings, scoring_reports),
        AlertsStage(versions, features, settings.alerts.max_reasons, alert_reports),
        LabelsStage(
            folder / "labels", times, LabelSketches("labels-0", 1), DeadLetters("labels", settings), _ignore
        ),
    ]


def _ignore(result: str, number: int) -> None:
    pass


def examples(values: list[bytes]) -> dict[str, bytes]:
    """Return the winning example of each payment."""
    best: dict[str, tuple[Rank, bytes]] = {}
    for value in values:
        example = wire.decode(value, "examples.v1")
        rank = example["label_rank"], example["label_time"]
        name = example["transaction_id"]
        if name not in best or rank >= best[name][0]:
            best[name] = rank, value
    return {name: value for name, (_, value) in best.items()}


def outcomes(values: list[bytes]) -> dict[tuple[str, int, str], bytes]:
    """Return the outcomes, each said once."""
    found = {}
    for value in values:
        outcome = wire.decode(value, "outcomes.terminal.v1")
        found[outcome["transaction_id"], outcome["label_time"], outcome["label"]] = value
    return found
