"""What scoring tells beside its scores: metrics, logs, and signals on the monitoring topic."""

from __future__ import annotations

from collections import deque

import numpy as np

from services.scoring.scores import Codes
from shared import wire
from shared.models import ModelRecord, ModelRefused, Refusal
from shared.policy import Decision
from shared.stream import Outgoing
from shared.telemetry import Telemetry

TOPIC = "monitoring.v1"
REFUSED, FAILED = "model-refused", "model-failed"
SERVICE = "scoring"
ROLES = ("champion", "challenger")


class Reports:
    """Payments by decision, the versions that act, models that may not or cannot.

    ``refused`` may be called by any thread; its signal goes out with the next batch.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._log = telemetry.log
        decided = telemetry.counter("decisions_total", "Payments by decision.", ("decision",))
        self._decided = [decided.labels(decision.symbol) for decision in Decision]
        self._acting = telemetry.gauge("model_acting", "1 for the versions that act.", ("role", "version"))
        self._refused = telemetry.counter("models_refused_total", "Model packages not loaded.", ("reason",))
        self._failed = telemetry.counter("models_failed_total", "Challengers set aside because they failed.")
        self._versions: tuple[str | None, ...] = (None, None)
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

    def take(self) -> list[Outgoing]:
        """Return the signals since the last call."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not taken:
            return []
        return [Outgoing(TOPIC, [key for key, _ in taken], [value for _, value in taken])]

    def _signal(self, name: str, severity: str, about: tuple[str, int], detail: str) -> None:
        record = {
            "signal": name,
            "event_time": about[1],
            "severity": severity,
            "service": SERVICE,
            "model_version": about[0],
            "value": None,
            "limit": None,
            "detail": detail,
        }
        self._waiting.append((name.encode(), wire.encode(TOPIC, record)))
