"""What training tells: logs, metrics, and signals on the monitoring topic."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.training.floods import Flood
from services.training.gates.events import signals
from services.training.gates.verdict import Verdict
from services.training.quality import Quality
from services.training.refit import Outcome
from services.training.schedule import CP100, SERVICE, Due
from services.training.split import DAY
from shared.models import Manifest, ModelRecord
from shared.settings import Settings
from shared.signals import TOPIC, Severity, Signal
from shared.stream.clients import DependencyError, producer
from shared.telemetry import Telemetry

QUALITY, FLOOD = "data-quality", "label-flood"
FLUSH_SECONDS = 30.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Reports:
    """Logs and metrics of the service, and its signals, each durable when `signal` returns."""

    def __init__(self, telemetry: Telemetry, settings: Settings) -> None:
        self._log = telemetry.log
        self._topic = settings.topic(TOPIC)
        self._sender = producer(settings)
        self._folder = settings.state_folder / "training" / "quality"
        self._records = telemetry.counter("records_total", "Records taken.", ("topic", "result"))
        self._lag = telemetry.gauge("lag_records", "Records not yet taken.", ("topic",))
        self._refits = telemetry.counter("refits_total", "Refits by what came of them.", ("result",))
        self._moves = telemetry.counter("model_moves_total", "Moves of versions by training.", ("status",))
        self._is_fitting = telemetry.gauge("refit_running", "1 while a model is fitted.")
        self._value = telemetry.gauge("training_value", "Newest value of a signal.", ("signal",))
        self._reached = telemetry.gauge("examples_event_time_seconds", "Event time reached.")

    def read(self, records: int, passed_over: int) -> None:
        """Tell of records read, and of those made with other features."""
        self._records.labels("examples.v1", "taken").inc(records - passed_over)
        if passed_over:
            self._records.labels("examples.v1", "other_features").inc(passed_over)

    def taken(self, rows: int, fresh: int, reached: int) -> None:
        """Tell of rows that are in the data set, of those that changed it, and how far it has come."""
        if rows > fresh:
            self._records.labels("examples.v1", "repeat").inc(rows - fresh)
        self._reached.set(reached / 1e6)

    def lag(self, records: int) -> None:
        """Tell how many records wait."""
        self._lag.labels("examples.v1").set(records)

    def started(self, due: Due) -> None:
        """Tell that a refit began."""
        self._is_fitting.set(1)
        self._log.info("refit started", extra={"as_of": _day(due.as_of), "why": due.why})

    def step(self, about: dict[str, Any]) -> None:
        """Tell how far a refit is."""
        self._log.info("refit", extra=about)

    def published(self, manifest: Manifest, outcome: Outcome) -> None:
        """Tell that a model was published."""
        self._ended("published")
        extra = {"version": manifest.version, "seconds": outcome.seconds, **manifest.metrics}
        self._log.info("model published", extra=extra)

    def refused(self, outcome: Outcome) -> None:
        """Tell that no model came of a refit."""
        self._ended("refused")
        self._log.warning("no model", extra={"as_of": _day(outcome.as_of), "reason": outcome.reason})

    def quality(self, found: Quality) -> None:
        """Tell of the quality of a data set, and keep the report as a file."""
        file = self._folder / f"{_day(found.as_of)[:10]}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
        severity: Severity = "alarm" if found.failures else "warning" if found.warnings else "info"
        told = [each.name for each in (*found.failures, *found.warnings)]
        counts = {"rows": found.rows, "frauds": found.frauds, "checks": len(found.checks)}
        detail = json.dumps({**counts, "not_ok": told})
        number = float(len(found.failures))
        self.signal(Signal(QUALITY, found.as_of, severity, SERVICE, None, number, 0.0, detail))

    def judged(self, verdicts: list[Verdict], version: str, as_of: int) -> None:
        """Tell what the gates said of a version, passed or not."""
        for key, value in signals(verdicts, version, as_of):
            self._sender.produce(self._topic, value, key, partition=0)
        self._flush()

    def moved(self, record: ModelRecord) -> None:
        """Tell that a version was moved."""
        self._moves.labels(record.status).inc()
        about = {"version": record.version, "status": record.status, "reason": record.reason}
        self._log.info("model moved", extra={**about, **json.loads(record.numbers)})

    def flood(self, flood: Flood, now: int) -> None:
        """Tell of labels that are not learned from."""
        self._log.error("label flood", extra={"detail": flood.sentence})
        self.signal(
            Signal(
                FLOOD,
                now,
                "alarm",
                SERVICE,
                value=float(flood.labels),
                limit=float(flood.limit),
                detail=flood.sentence,
                since=flood.day * DAY,
                until=(flood.day + 1) * DAY,
            )
        )

    def heard(self, signals: Iterable[Signal]) -> None:
        """Show the newest card precision that the topic tells of, told before a restart too."""
        for each in signals:
            if (each.service, each.signal) == (SERVICE, CP100) and each.value is not None:
                self._value.labels(CP100).set(each.value)

    def signal(self, signal: Signal) -> None:
        """Write a signal and wait until it is durable.

        Raises
        ------
        DependencyError
            If the broker does not take it.
        """
        self._sender.produce(self._topic, signal.to_bytes(), signal.signal.encode(), partition=0)
        self._flush()

    def _flush(self) -> None:
        if self._sender.flush(FLUSH_SECONDS):
            raise DependencyError(f"topic {self._topic} did not take a signal; look at the broker's log")

    def _ended(self, result: str) -> None:
        self._is_fitting.set(0)
        self._refits.labels(result).inc()


def _day(time: int) -> str:
    return (EPOCH + timedelta(days=time / DAY)).isoformat(timespec="minutes")
