"""All stages as their services compose them, and what the services wrote, by the position rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from shared.wire.framing import HEADER_BYTES, SOURCE_BYTES
from tests.faults.single import Record, SingleThread

RAW = ("transactions.raw.v1", "labels.raw.v1")
STREAM = ("transactions.v1", "features.customer.v1", "features.terminal.v1", "scores.v1", "alerts.v1")
Rank = tuple[int, int]


def single_thread(settings: Settings, folder: Path) -> SingleThread:
    """Run the raw records of Kafka through all stages in one thread; return the logs."""
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
    single.feed(sorted(raw, key=_time))
    return single


def _time(record: tuple[str, int, Record]) -> int:
    topic, _, raw = record
    content = wire.decode(raw.value, topic)
    return int(content["label_time" if topic.startswith("labels") else "event_time"])


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


def accepted(settings: Settings, topic: str) -> tuple[dict[str, bytes], int]:
    """Return the first copies of a stream topic by transaction id, and the number of repeats."""
    highest: dict[tuple[int, int], int] = {}
    found: dict[str, bytes] = {}
    repeats = 0
    for message in read_topic(settings, topic):
        value = message.value() or b""
        (upstream,), (offset,) = wire.sources(wire.join([value]))
        place = message.partition() or 0, int(upstream)
        if offset <= highest.get(place, -1):
            repeats += 1
            continue
        highest[place] = int(offset)
        name = wire.decode(value, topic)["transaction_id"]
        assert name not in found, f"{topic}: {name} was accepted twice"
        found[name] = value
    return found, repeats


def expected(single: SingleThread, topic: str) -> dict[str, bytes]:
    """Return the records of a stream topic by transaction id, as one thread gave them."""
    values = [record.value for log in single.logs.get(topic, []) for record in log]
    return {wire.decode(value, topic)["transaction_id"]: value for value in values}


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


def without_source(records: Mapping[Any, bytes]) -> dict[Any, bytes]:
    """Return records without the place of their input, which differs from log to log."""
    start = HEADER_BYTES + SOURCE_BYTES
    return {name: value[:HEADER_BYTES] + value[start:] for name, value in records.items()}
