"""What was measured of a day, held against limits, and the alarms that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.monitor.alarms import Alarm, Change
from shared.policy import Budget
from shared.signals import Severity, Signal
from shared.sketches import DAY

SERVICE = "monitor"
CALM_DAYS = 2
SHOWN = 5  # findings named in an alarm


@dataclass(frozen=True, slots=True)
class Finding:
    """One measurement: a name such as ``psi.amount``, its value, and the limit above which it is a cause."""

    name: str
    value: float | None
    limit: float | None = None
    detail: str = ""
    is_cause: bool = False
    is_mature: bool | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Event time [since, until), microseconds, and the payments that were looked at."""

    since: int
    until: int
    count: int


@dataclass(frozen=True, slots=True)
class Said:
    """When something is said, of which model and payments."""

    event_time: int
    model_version: str | None
    window: Window


@dataclass(slots=True)
class Family:
    """Findings that share one alarm, which is raised by any of them and cleared after two calm days.

    Beyond its budget it is a warning, see `Alarm`.
    """

    name: str
    severity: Severity = "alarm"
    alarm: Alarm = field(default_factory=lambda: Alarm(CALM_DAYS))

    def signals(self, findings: Sequence[Finding], said: Said, budget: Budget | None = None) -> list[Signal]:
        """Return the findings as signals, and the alarm where it is raised, lowered or cleared."""
        causes = sorted((each for each in findings if each.is_cause), key=_excess, reverse=True)
        day = said.window.until // DAY - 1
        change = self.alarm.step(bool(causes), day, budget)
        result = [signal(each, said, "warning" if each.is_cause else "info") for each in findings]
        if change == "cleared":
            detail = f"cleared: {CALM_DAYS} days without a cause"
            result.append(signal(Finding(self.name, None, None, detail), said, "info"))
        elif change is not None:
            spent = self.alarm.spent(day, budget) if budget else 0
            first, text = causes[0], f"{_why(change, spent, budget)}: {_evidence(causes)}"
            raised = Finding(self.name, first.value, first.limit, text, is_mature=first.is_mature)
            result.append(signal(raised, said, "warning" if change == "lowered" else self.severity))
        return result


def signal(finding: Finding, said: Said, severity: Severity = "info") -> Signal:
    """Return a finding as a signal."""
    return Signal(
        signal=finding.name,
        event_time=said.event_time,
        severity=severity,
        service=SERVICE,
        model_version=said.model_version,
        value=finding.value,
        limit=finding.limit,
        detail=finding.detail,
        since=said.window.since,
        until=said.window.until,
        count=said.window.count,
        is_mature=finding.is_mature,
    )


def _why(change: Change, spent: int, budget: Budget | None) -> str:
    if budget is None:
        return "raised"
    of = f"{spent} of {budget.most} alarms in {budget.window_days} days"
    if change == "lowered":
        return f"lowered to a warning, budget spent ({of})"
    if change == "lasting":
        return f"raised beyond the budget ({of}), with a cause on {budget.lasting_days} days"
    return f"raised ({of})"


def _evidence(causes: Sequence[Finding]) -> str:
    more = f"; and {len(causes) - SHOWN} more" if len(causes) > SHOWN else ""
    return "; ".join(_told(each) for each in causes[:SHOWN]) + more


def _excess(finding: Finding) -> float:
    return (finding.value or 0.0) / finding.limit if finding.limit else 1.0


def _told(finding: Finding) -> str:
    if finding.value is None or finding.limit is None:
        return f"{finding.name} {finding.detail}".strip()
    told = f"{finding.name} {finding.value:.3g} above {finding.limit:.3g}"
    return f"{told}: {finding.detail}" if finding.detail else told
