"""What the checkers of `make faults` count, on small cases made by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from shared import wire
from tests.faults.overload import BASE, Endless, unequal
from tests.faults.planted import FINDINGS
from tests.faults.poison import Place, differences, letters_amiss
from tests.faults.reading import Reading
from tests.faults.run import bounds
from tests.faults.stream_stage import OUTPUT
from tests.faults.teeth import is_caught
from tests.faults.verdict import compared

FIRST, SECOND = ("raw", 0, 1), ("raw", 0, 2)


@pytest.mark.parametrize(
    ("letters", "amiss"),
    [
        ([(FIRST, "long"), (SECOND, "old")], 0),
        ([(FIRST, "long"), (SECOND, "old"), (SECOND, "old")], 1),
        ([(FIRST, "long"), (FIRST, "old")], 2),  # one too many, one missing
        ([(FIRST, "long")], 1),
        ([(FIRST, "long"), (SECOND, "long")], 2),  # one of another reason, one missing
    ],
)
def test_each_bad_record_has_one_letter_of_its_reason(letters: list[tuple[Place, str]], amiss: int) -> None:
    assert letters_amiss(Counter(long=1, old=1), letters) == amiss


def test_a_loss_and_a_repeat_do_not_cancel() -> None:
    assert differences(Counter(a=1, b=1), Counter(a=2)) == 2


def test_of_scores_a_loss_and_a_repeat_are_counted_apart() -> None:
    assert unequal(np.array([0, 2, 2]), 3) == {"unscored": 1, "scored_again": 1}


def test_an_overload_knows_its_payments_by_their_ids() -> None:
    payments = Endless()
    first = payments.take(BASE + 2)[:2]
    assert payments.taken == BASE + 2
    again = payments.take(BASE)[-2:]
    names = [wire.decode(each["value"])["transaction_id"].encode() for each in (*first, *again)]
    assert [payments.number(name) for name in names] == [0, 1, 2 * BASE, 2 * BASE + 1]


def test_a_planted_fault_is_caught_by_what_gives_it_away_alone() -> None:
    assert is_caught("own_partitioner", {"misplaced": 1})
    assert not is_caught("own_partitioner", {"slow_takeovers": 1, "misplaced": 0})


def test_what_gives_faults_away_is_what_the_checkers_find() -> None:
    known = {*compared({}, Reading(OUTPUT, {})), "slow_takeovers"}
    assert {what for each in FINDINGS.values() for what in each} <= known


@pytest.mark.parametrize(
    "found", [{"exit_codes": [0, -6]}, {"stalled": 0}, {"starts_in_vain": 0}, {"leave_seconds": 11.0}]
)
def test_a_crash_on_leaving_and_a_fault_that_does_not_bite_miss_a_bound(found: dict[str, Any]) -> None:
    verdict: dict[str, Any] = {"reader_during": {}, "reader_after": {}, "facts": {}}
    good = {"exit_codes": [0], "stalled": 3, "starts_in_vain": 2, "leave_seconds": 1.0}
    missed = []
    for trial in (good, good | found):
        held = bounds(verdict, [{"fault": "any", "recovery_seconds": 1.0, **trial}])
        missed.append(sum(not bound.is_ok for bound in held))
    assert missed == [0, 1]
