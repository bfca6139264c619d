"""What the checkers of `make faults` count, on small cases made by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.poison import Place, differences, letters_amiss

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
