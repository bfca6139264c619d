"""When a refit is due, in event time."""

from __future__ import annotations

import pytest

from services.training.schedule import Calendar, Past, due
from services.training.split import DAY
from shared.signals import Severity, Signal

WEEK = Calendar(every=7 * DAY, least=2 * DAY)


def alarm(day: float, service: str = "monitor", severity: Severity = "alarm") -> Signal:
    return Signal("average-precision", int(day * DAY), severity, service)


def refused(day: float) -> Signal:
    return Signal("refit-refused", int(day * DAY), "warning", "training")


@pytest.mark.parametrize(
    ("signals", "fitted", "day", "why"),
    [
        ([], [], 43, "first"),
        ([alarm(3)], [], 43, "first"),
        ([], [30], 37, "schedule"),
        ([], [30, 37], 44, "schedule"),
        ([], [37, 30], 44, "schedule"),
        ([alarm(33)], [30], 33, "alarm"),
        ([alarm(31)], [30], 32, "alarm"),
        ([alarm(30)], [30], 37, "schedule"),
        ([alarm(36), alarm(33)], [30], 36, "alarm"),
        ([alarm(33, service="scoring")], [30], 37, "schedule"),
        ([alarm(33, severity="warning")], [30], 37, "schedule"),
        ([refused(43)], [], 44, "first"),
        ([refused(37)], [30], 38, "schedule"),
        ([refused(37), refused(38)], [30], 39, "schedule"),
        ([refused(37)], [30, 38], 45, "schedule"),
    ],
)
def test_what_is_due(signals: list[Signal], fitted: list[float], day: float, why: str) -> None:
    past = Past(first=DAY).heard(signals)
    for each in fitted:
        past = past.made(int(each * DAY))
    assert due(past, WEEK) == (day * DAY, why)


def test_before_the_first_label_nothing_is_due() -> None:
    assert due(Past().heard([alarm(3)]), WEEK) is None


def test_the_newest_measurement_of_training_itself_is_remembered() -> None:
    told = [Signal("performance.cp100", day * DAY, "info", "training", value=0.3) for day in (4, 5, 3)]
    other = Signal("performance.cp100", 9 * DAY, "info", "another", value=0.3)
    assert Past().heard([*told, other]).measured == 5 * DAY
    assert Past().heard([other, alarm(9)]).measured is None


def test_a_signal_survives_its_bytes() -> None:
    assert Signal.from_bytes(alarm(3).to_bytes()) == alarm(3)
