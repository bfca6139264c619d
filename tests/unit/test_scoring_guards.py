"""The canary acts for its customers only; a storm of declines becomes reviews; what is told of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.breaker import HOUR, Breaker
from services.scoring.canary import is_chosen
from services.training.health import Health, Healths
from shared.policy import Decision
from shared.stream import Batch
from tests.unit.scoring_samples import START, batch_of, features, payment
from tests.unit.test_scoring import Constant, outputs, stage

SHARE = 0.3  # as the stage of the tests has it


class Signal:
    """A decoded signal with its fields as attributes."""

    def __init__(self, record):
        self.__dict__.update(record)


def batch(count, first=0, hour=0):
    """Payments of partition 1, all within an hour of event time."""
    rows = features(count)
    values = [
        payment(first + number, row, event_time=START + hour * HOUR + number)
        for number, row in enumerate(rows)
    ]
    return batch_of("features.terminal.v1", values, first)


def test_a_canary_acts_for_its_customers_with_the_champion_beside_it_and_the_record_says_so():
    made, models, _ = stage(Constant("old", [0.9] * 200), Constant("a-longer-name", [0.1] * 200))
    models.is_canary = True
    found = outputs(made.process(batch(200)))
    chosen = is_chosen([each["customer_id"].encode() for each in found], "a-longer-name", SHARE).tolist()
    assert 0 < sum(chosen) < 200
    new, old = (0.1, "a-longer-name", "approve", 0.9, "old"), (0.9, "old", "decline", 0.1, "a-longer-name")
    names = ("score", "model_version", "decision", "challenger_score", "challenger_version")
    assert [tuple(each[name] for name in names) for each in found] == [
        new if is_one else old for is_one in chosen
    ]


def test_a_canary_that_fails_leaves_all_customers_to_the_champion():
    made, models, _ = stage(Constant("old", [0.9] * 200), Constant("new", [np.nan] * 200))
    models.is_canary = True
    assert {each["model_version"] for each in outputs(made.process(batch(200)))} == {"old"}


def test_a_customer_stays_with_the_canary_and_another_canary_has_others():
    customers = [b"c%d" % number for number in range(5000)]
    first, other = is_chosen(customers, "v1", 0.1), is_chosen(customers, "v2", 0.1)
    assert (first == is_chosen(customers, "v1", 0.1)).all()
    assert 0.08 < first.mean() < 0.12
    assert (first & other).mean() < 0.02
    assert (is_chosen(customers, "v1", 0.2) >= first).all()


def test_declines_above_the_cap_become_reviews_until_the_hour_is_over_and_an_alarm_tells_once():
    made, _, _ = stage(Constant("m", [0.9] * 10), declines_per_hour=12)  # 3 for each of 4 partitions
    outgoing = [made.process(batch(5)), made.process(batch(5, 5)), made.process(batch(2, 10, hour=1))]
    decisions = [[each["decision"] for each in outputs(part)] for part in outgoing]
    assert decisions == [["decline"] * 3 + ["review"] * 2, ["review"] * 5, ["decline"] * 2]
    assert {each["score"] for part in outgoing for each in outputs(part)} == {0.9}
    (alarm,) = [each for part in outgoing for each in outputs(part, "monitoring.v1")]
    assert (alarm["signal"], alarm["severity"], alarm["value"], alarm["limit"]) == (
        "decline-storm",
        "alarm",
        4,
        3,
    )
    assert (alarm["model_version"], alarm["event_time"]) == ("m", START + 3)


def test_a_late_payment_counts_in_the_hour_of_its_partition():
    breaker = Breaker(1, 1)
    declines = np.full(3, Decision.DECLINE, np.int8)
    breaker.limit(np.zeros(3, np.int32), np.array([HOUR, 0, HOUR]), declines)
    assert declines.tolist() == [Decision.DECLINE, Decision.REVIEW, Decision.REVIEW]


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=60)


@given(ROWS, st.integers(0, 60))
def test_a_restart_anywhere_changes_no_decision(rows, cut):
    whole, first = Breaker(8, 4), Breaker(8, 4)
    partitions = np.array([partition for partition, _, _ in rows], np.int32)
    times = np.array([hour * HOUR for _, hour, _ in rows], np.int64)
    codes = np.array([Decision.DECLINE if is_one else Decision.APPROVE for _, _, is_one in rows], np.int8)
    expected, found = codes.copy(), codes.copy()
    trips = whole.limit(partitions, times, expected)
    told = first.limit(partitions[:cut], times[:cut], found[:cut])
    again = Breaker(8, 4)
    for partition in range(4):
        again.take(partition, first.state(partition))
    told += again.limit(partitions[cut:], times[cut:], found[cut:])
    assert (found == expected).all()
    assert told == trips


def test_the_state_of_the_breaker_is_carried_from_one_process_to_the_next():
    made, _, _ = stage(Constant("m", [0.9] * 2), declines_per_hour=12)
    made.process(batch(2))
    after, _, _ = stage(Constant("m", [0.9] * 3), declines_per_hour=12)
    after.carry_on(1, made.carried(1))
    decisions = [each["decision"] for each in outputs(after.process(batch(3, 2)))]
    assert decisions == ["decline", "review", "review"]
    after.carry_on(1, None)
    assert after.carried(1) == [-1, 0]


def test_what_is_told_of_a_version_beside_is_what_training_sums():
    made, _, _ = stage(Constant("old", [0.1] * 9 + [0.4]), Constant("new", [0.1] * 7 + [0.9] * 3))
    outgoing = [made.process(batch(10)), made.process(batch(10, 10)), made.process(batch(10, 20, hour=1))]
    found = [Signal(each) for part in outgoing for each in outputs(part, "monitoring.v1")]
    assert [each.signal for each in found] == ["model-beside"]
    health = Healths().heard(found).of("new")
    assert health.seconds > 0
    assert replace(health, seconds=0.0) == Health(0, 20, 0.0, 6, 2)


def test_customers_are_looked_for_only_where_there_is_a_canary(monkeypatch):
    asked, found = [], Batch.fields

    def noted(self, names):
        asked.extend(names)
        return found(self, names)

    monkeypatch.setattr(Batch, "fields", noted)
    made, models, _ = stage(Constant("old", [0.5] * 3), Constant("new", [0.5] * 3))
    made.process(batch(3))
    assert "customer_id" not in asked
    models.is_canary = True
    made.process(batch(3, 3))
    assert "customer_id" in asked
