"""What scoring tells beside its scores: metrics, logs, and signals on the monitoring topic."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np

from services.scoring.breaker import HOUR, Trip
from services.scoring.scores import Codes
from shared import wire
from shared.models import ModelRecord, ModelRefused, Refusal
from shared.policy import Decision
from shared.stream import Outgoing
from shared.telemetry import Telemetry

TOPIC = "monitoring.v1"
REFUSED, FAILED, BESIDE = "model-refused", "model-failed", "model-beside"
STORM = "decline-storm"
SERVICE = "scoring"
ROLES = ("champion", "challenger")


@dataclass(slots=True)
class Beside:
    """Payments that a version scored beside the champion."""

    payments: int = 0
    seconds: float = 0.0
    flagged: int = 0
    flagged_by_champion: int = 0


class Reports:
    """Payments by decision, the versions that act and how they fare, models that may not or cannot.

    ``refused`` may be called by any thread; its signal goes out with the next batch.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._log = telemetry.log
        decided = telemetry.counter("decisions_total", "Payments by decision.", ("decision",))
        self._decided = [decided.labels(decision.symbol) for decision in Decision]
        self._acting = telemetry.gauge("model_acting", "1 for the versions that act.", ("role", "version"))
        self._refused = telemetry.counter("models_refused_total", "Model packages not loaded.", ("reason",))
        self._failed = telemetry.counter("models_failed_total", "Challengers set aside because they failed.")
        self._trips = telemetry.counter("decline_storms_total", "Times the cap on declines was passed.")
        self._versions: tuple[str | None, ...] = (None, None)
        self._beside, self._about = Beside(), ("", 0)
        self._waiting: deque[tuple[bytes, bytes]] = deque()

    def decided(self, codes: Codes) -> None:
        """Count decisions."""
        counts = np.bincount(codes, minlength=len(Decision)).tolist()
        for counter, count in zip(self._decided, counts, strict=True):
            if count:
                counter.inc(count)

    def acting(self, champion: str | None, challenger: str | None) -> None:
        """Tell which versions act from here on."""
        versions = champion, challenger
        if versions == self._versions:
            return
        self._versions = versions
        self._acting.clear()
        for role, version in zip(ROLES, versions, strict=True):
            if version is not None:
                self._acting.labels(role, version).set(1)
        self._log.info("models act", extra={"champion": champion, "challenger": challenger})

    def refused(self, record: ModelRecord, refusal: ModelRefused) -> None:
        """Tell that a package is not loaded; the model before it goes on."""
        reason = refusal.reason.value
        self._refused.labels(reason).inc()
        extra = {"version": record.version, "reason": reason, "detail": str(refusal)}
        self._log.error("model refused", extra=extra)
        severity = "warning" if refusal.reason is Refusal.ABSENT else "alarm"
        self._signal(REFUSED, severity, (record.version, record.event_time), f"{reason}: {refusal}")

    def failed(self, version: str, event_time: int, detail: str) -> None:
        """Tell that a challenger failed and gives no more scores."""
        self._failed.inc()
        self._log.error("challenger set aside", extra={"version": version, "detail": detail})
        self._signal(FAILED, "alarm", (version, event_time), detail)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time within to that of the version beside the champion."""
        began = time.perf_counter()
        yield
        self._beside.seconds += time.perf_counter() - began

    def beside(self, version: str, event_time: int, codes: Codes, champions: Codes) -> None:
        """Count payments that a version scored beside the champion; tell of them each hour of event time."""
        before, at = self._about
        if before and (version != before or event_time // HOUR > at // HOUR):
            self._tell_beside()
        self._about = version, event_time
        self._beside.payments += len(codes)
        self._beside.flagged += int(np.count_nonzero(codes >= Decision.REVIEW))
        self._beside.flagged_by_champion += int(np.count_nonzero(champions >= Decision.REVIEW))

    def tripped(self, trips: Sequence[Trip], version: str | None) -> None:
        """Tell that a cap on declines was passed: until the hour is over declines are reviews."""
        for trip in trips:
            self._trips.inc()
            detail = (
                f"more than {trip.limit} declines within an hour in partition {trip.partition}; "
                "until it is over payments are reviewed instead: look at the model and at the input"
            )
            self._log.error("decline storm", extra={"partition": trip.partition, "limit": trip.limit})
            numbers = float(trip.limit + 1), float(trip.limit)
            self._signal(STORM, "alarm", (version, trip.event_time), detail, numbers)

    def take(self) -> list[Outgoing]:
        """Return the signals since the last call."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not taken:
            return []
        return [Outgoing(TOPIC, [key for key, _ in taken], [value for _, value in taken])]

    def _tell_beside(self) -> None:
        told, self._beside = self._beside, Beside()
        taken = told.seconds * 1e6 / told.payments if told.payments else None
        detail = json.dumps(asdict(told))
        self._signal(BESIDE, "info", self._about, detail, (taken, None))

    def _signal(
        self,
        name: str,
        severity: str,
        about: tuple[str | None, int],
        detail: str,
        numbers: tuple[float | None, float | None] = (None, None),
    ) -> None:
        record = {
            "signal": name,
            "event_time": about[1],
            "severity": severity,
            "service": SERVICE,
            "model_version": about[0],
            "value": numbers[0],
            "limit": numbers[1],
            "detail": detail,
        }
        self._waiting.append((name.encode(), wire.encode(TOPIC, record)))
