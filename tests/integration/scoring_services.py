"""Scoring and alerts on Kafka, run in the test's process step by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.alerts.models import VersionedModels
from services.alerts.reports import Reports as AlertReports
from services.alerts.stage import AlertsStage
from services.scoring.reports import Reports
from services.scoring.stage import Rules, ScoringStage
from shared import wire
from shared.models import ActingModels, ModelLog, ModelRecord, signing_key
from shared.settings import Settings
from shared.stream import Stage, partitions
from shared.stream.clients import producer, read_topic
from shared.stream.service import build
from shared.telemetry import Telemetry
from tests.unit.model_packages import moved, record
from tests.unit.scoring_samples import FEATURES, features, payment, wide_package
from tests.waiting import wait_for


class Service:
    """A stage in its run loop."""

    def __init__(self, stage: Stage, settings: Settings, name: str, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.loop = build(stage, settings, name, telemetry)
        self.loop.subscribe()

    def until(self, condition: Callable[[], object], what: str) -> None:
        def stepped() -> object:
            self.loop.step()
            return condition()

        wait_for(stepped, 60, what)


def scoring(settings: Settings) -> tuple[Service, ActingModels]:
    """Scoring as `services.scoring` composes it."""
    telemetry = Telemetry("scoring")
    reports = Reports(telemetry)
    models = ActingModels(settings, FEATURES, reports.refused)
    models.start()
    stage = ScoringStage(models, Rules.load(), FEATURES, settings, reports)
    return Service(stage, settings, "scoring", telemetry), models


def alerts(settings: Settings, name: str = "alerts") -> Service:
    """Alerts as `services.alerts` composes it."""
    telemetry = Telemetry("alerts")
    reports = AlertReports(telemetry)
    models = VersionedModels.of(settings, FEATURES, reports.refused)
    models.start()
    stage = AlertsStage(models, FEATURES, settings.alerts.max_reasons, reports)
    return Service(stage, settings, name, telemetry)


def store(settings: Settings, version: str, package: bytes) -> Path:
    """Put a package below ``model_url``."""
    file = Path(settings.model_url) / f"{version}.zip"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(package)
    return file


def publish(
    settings: Settings, version: str, seed: int = 0, key: Ed25519PrivateKey | None = None, **changes: Any
) -> Path:
    """Publish a champion; changes go into its record."""
    package = wide_package(version, seed)
    file = store(settings, version, package)
    made = record(package, key or signing_key(settings), version=version, package=file.name, **changes)
    announce(settings, made)
    return file


def announce(settings: Settings, made: ModelRecord) -> None:
    """Make a version the champion, whatever its package."""
    log = ModelLog(settings)
    for event in (made, moved(made.version, "champion")):
        log.append(lambda stands, event=event: event)
    log.close()


class Payments:
    """Payments with features, sent in order to the partitions of their keys."""

    def __init__(self, settings: Settings, count: int) -> None:
        self.matrix = features(count)
        self._keys = [b"t%d" % number for number in range(count)]
        self._places = partitions(self._keys, 4).tolist()
        self._topic = settings.topic("features.terminal.v1")
        self._client = producer(settings)
        self.sent = 0

    def send(self, count: int) -> None:
        """Send the next so many."""
        for number in range(self.sent, min(self.sent + count, len(self._keys))):
            source = wire.source_bytes(0, number)
            value = payment(number, self.matrix[number], source=source)
            self._client.produce(
                self._topic, key=self._keys[number], partition=self._places[number], value=value
            )
            self.sent = number + 1
        assert self._client.flush(20) == 0

    @property
    def rest(self) -> int:
        """How many are not sent."""
        return len(self._keys) - self.sent


def read(settings: Settings, topic: str) -> list[dict[str, Any]]:
    """All records of a topic, each partition in its order."""
    return [wire.decode(message.value(), topic) for message in read_topic(settings, topic)]
