"""When to fit again, in event time: each week, on alarm, and not too often."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from services.training.recipe import Recipe
from services.training.split import DAY
from shared.settings.model import TrainingSettings
from shared.signals import Signal

SERVICE, REFUSED, CP100 = "training", "refit-refused", "performance.cp100"
ALARMS_OF = "monitor"  # scoring's alarms tell of packages: no fit mends these
FIRST_AFTER = (Recipe().days + Recipe().delay_days + Recipe().test_days) * DAY
"""From the first known label: enough to fit a trial on, to wait for labels, and to test."""
AGAIN_AFTER = DAY
"""After a refit that no model came of."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Microseconds: from one refit to the next, and the least between two where an alarm asks for one."""

    every: int
    least: int

    @classmethod
    def of(cls, settings: TrainingSettings) -> Calendar:
        """Return the calendar of the settings."""
        return cls(int(settings.refit_days * DAY), int(settings.alarm_gap_days * DAY))


@dataclass(frozen=True, slots=True)
class Past:
    """What the topics tell of refits, alarms and measurements: event times, None where there was none."""

    first: int | None = None
    """When the first label counted."""
    fitted: int | None = None
    """As of when the newest model was made."""
    refused: int | None = None
    """As of when a refit brought no model."""
    alarm: int | None = None
    measured: int | None = None
    """When card precision was told last."""

    def heard(self, signals: Iterable[Signal]) -> Past:
        """Return the past with more signals of the monitoring topic."""
        found = self
        for each in signals:
            if each.service == ALARMS_OF and each.severity == "alarm":
                found = replace(found, alarm=_later(found.alarm, each.event_time))
            elif each.service == SERVICE and each.signal == REFUSED:
                found = replace(found, refused=_later(found.refused, each.event_time))
            elif each.service == SERVICE and each.signal == CP100:
                found = replace(found, measured=_later(found.measured, each.event_time))
        return found

    def made(self, as_of: int) -> Past:
        """Return the past with one more model."""
        return replace(self, fitted=_later(self.fitted, as_of))


class Due(NamedTuple):
    """A refit that is to be made: as of when, and why."""

    as_of: int
    why: Literal["first", "schedule", "alarm"]


def due(past: Past, calendar: Calendar) -> Due | None:
    """Return the next refit; None before the first label.

    Examples
    --------
    >>> week = Calendar(every=7 * DAY, least=2 * DAY)
    >>> time, why = due(Past(first=0, fitted=30 * DAY), week)
    >>> time // DAY, why
    (37, 'schedule')
    >>> time, why = due(Past(first=0, fitted=30 * DAY, alarm=33 * DAY), week)
    >>> time // DAY, why
    (33, 'alarm')
    >>> due(Past(first=0, fitted=30 * DAY, alarm=29 * DAY), week)[0] // DAY
    37
    """
    if past.first is None:
        return None
    found = Due(past.first + FIRST_AFTER, "first")
    if past.fitted is not None:
        found = Due(past.fitted + calendar.every, "schedule")
        if past.alarm is not None and past.alarm > past.fitted:
            found = min(found, Due(max(past.alarm, past.fitted + calendar.least), "alarm"))
    if past.refused is not None and (past.fitted is None or past.refused > past.fitted):
        found = found._replace(as_of=max(found.as_of, past.refused + AGAIN_AFTER))
    return found


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)
