"""The false-alarm budget: what is beyond it is a warning, unless its cause lasts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.monitor.alarms import Alarm
from services.monitor.monitor import ALARMS, Monitor
from services.monitor.reports import Reports
from services.monitor.session import Session
from services.monitor.summaries import Sketch
from shared import wire
from shared.policy import AlarmsPolicy, Budget, PolicyError
from shared.signals import Signal
from shared.sketches import DAY
from shared.telemetry import Telemetry
from tests.unit.monitor_sketches import FEATURES, days
from tests.unit.test_monitor import Trained

BUDGET = Budget(most=2, window_days=60, lasting_days=3)
POLICY = AlarmsPolicy(window_days=60, lasting_days=3, most={"input-drift": 2})


def changes(causes: Iterable[int], last: int, budget: Budget | None = BUDGET) -> list[tuple[int, str]]:
    alarm, days_with_cause = Alarm(calm_days=2), set(causes)
    steps = ((day, alarm.step(day in days_with_cause, day, budget)) for day in range(last + 1))
    return [(day, change) for day, change in steps if change]


def test_an_alarm_beyond_the_budget_is_lowered() -> None:
    found = changes([0, 10, 20, 30], 35)
    assert [change for _, change in found if change != "cleared"] == [
        "raised",
        "raised",
        "lowered",
        "lowered",
    ]
    assert changes([0, 10, 20, 30], 35, None)[-2] == (30, "raised")


def test_the_window_ends_and_what_was_lowered_spends_nothing() -> None:
    found = [each for each in changes([0, 10, 20, 30, 59, 60, 75], 80) if each[1] != "cleared"]
    assert found == [
        (0, "raised"),
        (10, "raised"),
        (20, "lowered"),
        (30, "lowered"),
        (59, "lowered"),  # and goes on at 60, with a cause on two days only
        (75, "raised"),
    ]


@pytest.mark.parametrize("causes", [[20, 21, 22], [20, 22, 23], [20, 21, 23, 24, 25]])
def test_a_cause_that_lasts_raises_it_after_all_and_once(causes: list[int]) -> None:
    found = [each for each in changes([0, 10, *causes], 26) if each[1] != "cleared"]
    assert found[2:] == [(20, "lowered"), (causes[2], "lasting")]


def test_a_cause_that_went_away_does_not_count_towards_the_next() -> None:
    found = changes([0, 10, 20, 21, 24, 25], 30)
    assert [change for _, change in found[4:]] == ["lowered", "cleared", "lowered", "cleared"]


def test_one_that_is_lowered_is_not_raised() -> None:
    alarm = Alarm(calm_days=2)
    alarm.step(True, 0, Budget(1, 60, 3))
    assert alarm.is_raised
    for day in (1, 2):
        alarm.step(False, day, Budget(1, 60, 3))
    alarm.step(True, 3, Budget(1, 60, 3))
    assert (alarm.is_raised, alarm.is_lowered) == (False, True)


def stream(lasting: int = 2) -> Iterator[Sketch]:
    """Two days of a shift from day 10 on, from 17 on, and as many as given from 24 on."""
    shifts = ((10, 11), (17, 18), (24, 23 + lasting))
    begin = 0
    for first, last in shifts:
        yield from days(begin, first - 1)
        yield from days(first, last, factor=2)
        begin = last + 1
    yield from days(begin, 32)


def heard(sketches: Iterable[Sketch], policy: AlarmsPolicy = POLICY) -> list[Signal]:
    monitor = Monitor(Trained(), FEATURES, budgets=policy)
    return [signal for sketch in sketches for signal in monitor.take(sketch)]


def alarms(signals: Iterable[Signal]) -> list[tuple[int, str, str]]:
    found = [each for each in signals if each.signal == "input-drift" and each.severity != "info"]
    return [((each.since or 0) // DAY, each.severity, each.detail.partition(":")[0]) for each in found]


def test_the_monitor_says_how_much_of_the_budget_is_spent() -> None:
    signals = heard(stream())
    assert alarms(signals) == [
        (10, "alarm", "raised (1 of 2 alarms in 60 days)"),
        (17, "alarm", "raised (2 of 2 alarms in 60 days)"),
        (24, "warning", "lowered to a warning, budget spent (2 of 2 alarms in 60 days)"),
    ]
    (lowered,) = [each for each in signals if "lowered" in each.detail]
    assert "psi.amount" in lowered.detail, "the evidence is told all the same"


def test_a_change_that_stays_is_an_alarm_whatever_came_before() -> None:
    assert alarms(heard(stream(lasting=6)))[2:] == [
        (24, "warning", "lowered to a warning, budget spent (2 of 2 alarms in 60 days)"),
        (26, "alarm", "raised beyond the budget (3 of 2 alarms in 60 days), with a cause on 3 days"),
    ]


def test_each_family_has_a_budget_of_its_own() -> None:
    one = AlarmsPolicy(window_days=60, lasting_days=3, most={"missed-frauds": 1})
    assert [severity for _, severity, _ in alarms(heard(stream(), one))] == ["alarm"] * 3


def framed(sketches: Iterable[Sketch]) -> list[bytes]:
    return [wire.encode("sketches.v1", msgspec.structs.asdict(each)) for each in sketches]


@pytest.mark.parametrize("stop", [24, 38, 51])
def test_what_is_spent_outlives_a_restart_and_a_budget_may_change(tmp_path: Path, stop: int) -> None:
    values, most = framed(stream(lasting=6)), {"input-drift": 3}
    richer = AlarmsPolicy(window_days=60, lasting_days=3, most=most)  # type: ignore[arg-type]
    for policy in (POLICY, richer):
        first = Session(tmp_path / "state", Monitor(Trained(), FEATURES, budgets=POLICY))
        found = [signal for at in range(stop) for signal in first.take(at, values[at])]
        first.save()
        second = Session(tmp_path / "state", Monitor(Trained(), FEATURES, budgets=policy))
        assert second.load()
        found += [signal for at, value in enumerate(values) for signal in second.take(at, value)]
        if policy is POLICY:
            assert found == heard(stream(lasting=6))
        elif stop < 50:  # before the third
            assert [severity for _, severity, _ in alarms(found)] == ["alarm"] * 3


def test_lowered_alarms_are_counted_apart() -> None:
    monitor = Monitor(Trained(), FEATURES, budgets=POLICY)
    said = list(itertools.chain.from_iterable(map(monitor.take, stream())))
    telemetry = Telemetry("monitor")
    Reports(telemetry).said(said, monitor.alarms)
    names = "millrace_monitor_alarms_total", "millrace_monitor_alarms_lowered_total"
    counted = [telemetry.registry.get_sample_value(name, {"alarm": "input-drift"}) for name in names]
    assert counted == [2.0, 1.0]


def test_the_policy_of_the_repository_has_a_budget_for_each_alarm() -> None:
    policy = AlarmsPolicy.load()
    assert set(policy.most) == {name for name, severity in ALARMS.items() if severity == "alarm"}


TABLE = {"window_days": 60, "lasting_days": 3, "most": {"input-drift": 2}}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"most": {"input-drift": 0}}, "most"),  # else a first alarm would be none
        ({"most": {"input-drif": 1}}, "input-drif"),
        ({"window_days": 0}, "window_days"),
        ({"lasting_day": 3}, "lasting_day"),
    ],
)
def test_a_budget_that_cannot_be_says_what_to_change(change: dict[str, Any], complaint: str) -> None:
    assert AlarmsPolicy.load({"alarms": TABLE}).budget("input-drift") == BUDGET
    with pytest.raises(PolicyError, match=complaint):
        AlarmsPolicy.load({"alarms": {**TABLE, **change}})
