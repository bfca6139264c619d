"""Verdicts as signals on the monitoring topic, passed or not."""

from __future__ import annotations

from collections.abc import Iterable

from services.training.gates.verdict import Outcome, Verdict
from shared import wire

TOPIC = "monitoring.v1"
SERVICE = "training"
SEVERITY: dict[Outcome, str] = {"pass": "info", "not_enough_evidence": "warning", "fail": "alarm"}


def signals(verdicts: Iterable[Verdict], version: str, event_time: int) -> list[tuple[bytes, bytes]]:
    """Return key and framed value of each verdict on a model version, at a time of the stream."""
    return [_signal(verdict, version, event_time) for verdict in verdicts]


def _signal(verdict: Verdict, version: str, event_time: int) -> tuple[bytes, bytes]:
    name = f"gate-{verdict.gate}"
    record = {
        "signal": name,
        "event_time": event_time,
        "severity": SEVERITY[verdict.outcome],
        "service": SERVICE,
        "model_version": version,
        "value": verdict.value,
        "limit": verdict.limit,
        "detail": f"{verdict.outcome}: {verdict.sentence}",
    }
    return name.encode(), wire.encode(TOPIC, record)
