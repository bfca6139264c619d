"""What alerts tells beside its alerts: metrics and logs."""

from __future__ import annotations

from shared.models import ModelRecord, ModelRefused
from shared.policy import Decision
from shared.telemetry import Telemetry


class Reports:
    """Alerts by decision, and those that went out without reasons."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._log = telemetry.log
        self._alerts = telemetry.counter("alerts_total", "Alerts by decision.", ("decision",))
        self._unexplained = telemetry.counter(
            "alerts_unexplained_total", "Alerts without reasons, since their model could not be had."
        )
        self._told: set[str] = set()

    def flagged(self, decisions: list[str]) -> None:
        """Count alerts."""
        for decision in (Decision.REVIEW.symbol, Decision.DECLINE.symbol):
            self._alerts.labels(decision).inc(decisions.count(decision))

    def refused(self, record: ModelRecord, refusal: ModelRefused) -> None:
        """Tell that a package is not loaded; scoring tells it on the monitoring topic."""
        extra = {"version": record.version, "reason": refusal.reason.value, "detail": str(refusal)}
        self._log.error("model refused", extra=extra)

    def unexplained(self, version: str, count: int, detail: str) -> None:
        """Count alerts without reasons; the log tells it once a version."""
        self._unexplained.inc(count)
        if version not in self._told:
            self._told.add(version)
            self._log.error("alerts go out without reasons", extra={"version": version, "detail": detail})
