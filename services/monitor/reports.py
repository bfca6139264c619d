"""What the monitor shows beside its signals: metrics and logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.monitor.monitor import ALARMS
from shared.signals import Signal
from shared.telemetry import Telemetry

MATURITY = {True: "mature", False: "immature", None: "none"}


class Reports:
    """The newest value and limit of each signal, the alarms, the sketches taken."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._log = telemetry.log
        signal, maturity = ("signal",), ("signal", "maturity")
        self._value = telemetry.gauge("monitor_value", "Newest value of a signal.", maturity)
        self._limit = telemetry.gauge("monitor_limit", "Value above which a signal is a cause.", signal)
        self._alarm = telemetry.gauge("monitor_alarm", "1 while an alarm is raised.", ("alarm",))
        self._raised = telemetry.counter("monitor_alarms_total", "Alarms raised.", ("alarm",))
        lowered = "Alarms lowered to warnings, their budget being spent."
        self._lowered = telemetry.counter("monitor_alarms_lowered_total", lowered, ("alarm",))
        self._sketches = telemetry.counter("monitor_sketches_total", "Sketches read.", ("kind", "result"))

    def said(self, signals: Iterable[Signal], alarms: Mapping[str, bool]) -> None:
        """Show what was said, and which alarms are raised since."""
        for each in signals:
            if each.value is not None:
                self._value.labels(each.signal, MATURITY[each.is_mature]).set(each.value)
            if each.limit is not None:
                self._limit.labels(each.signal).set(each.limit)
            if each.signal in alarms and each.severity != "info":
                is_lowered = each.severity != ALARMS[each.signal]
                (self._lowered if is_lowered else self._raised).labels(each.signal).inc()
                extra = {"alarm": each.signal, "event_time": each.event_time, "detail": each.detail}
                self._log.warning("alarm", extra=extra)
        self.standing(alarms)

    def standing(self, alarms: Mapping[str, bool]) -> None:
        """Show which alarms are raised."""
        for name, is_raised in alarms.items():
            self._alarm.labels(name).set(is_raised)

    def counted(self, sketches: Mapping[tuple[str, str], int]) -> None:
        """Count sketches by kind and result."""
        for (kind, result), number in sketches.items():
            self._sketches.labels(kind, result).inc(number)
