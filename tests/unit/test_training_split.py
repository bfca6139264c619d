"""Windows in time: train, wait for labels, test; and who is known to be compromised by then."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from services.training.examples import Examples
from services.training.split import DAY, Split, is_known, matured_until, parts, split
from tests.unit.training_examples import made


def of_customers(payments: list[tuple[float, str, bool]]) -> Examples:
    rows = pl.DataFrame(
        {
            "transaction_id": [str(place) for place in range(len(payments))],
            "event_time": [int(day * DAY) for day, _, _ in payments],
            "customer_id": [customer for _, customer, _ in payments],
            "is_fraud": [fraud for *_, fraud in payments],
            "is_implied": [not fraud for *_, fraud in payments],
        }
    )
    return Examples(rows, np.zeros((len(payments), 1), np.float32))


@pytest.mark.parametrize(("days", "delay_days", "test_days"), [(28, 7, 7), (7, 7, 7), (1, 0, 3)])
def test_training_ends_the_delay_before_the_test_and_nothing_overlaps(
    days: int, delay_days: int, test_days: int
) -> None:
    found = split(60 * DAY + 12345, days, delay_days, test_days)
    lengths = [(found.train_end - found.train_start), found.delay, (found.test_end - found.test_start)]
    assert [each / DAY for each in lengths] == [days, delay_days, test_days]
    assert found.test_end == 60 * DAY


def test_a_payment_at_the_edge_is_in_one_window_only() -> None:
    windows = Split(0, 2 * DAY, 4 * DAY, 6 * DAY)
    train, test = parts(of_customers([(day, str(day), False) for day in range(8)]), windows)
    assert train.rows["customer_id"].to_list() == ["0", "1"]
    assert test.rows["customer_id"].to_list() == ["4", "5"]


def test_labels_are_all_known_up_to_the_newest_payment_that_is_genuine_by_implication() -> None:
    examples = made(days=20, implied_until=12 * DAY)
    end = matured_until(examples)
    behind = examples.within(end, 20 * DAY)
    assert 11 * DAY < end <= 12 * DAY
    assert not behind.rows["is_implied"].any()


def test_where_no_label_is_implied_every_row_counts_as_known() -> None:
    examples = made(days=3, implied_until=0)
    assert matured_until(examples) == int(examples.times.max()) + 1


@pytest.mark.parametrize(
    ("fraud_day", "test_day", "expected"),
    [
        (0.5, 14.5, True),  # in training
        (6.9, 14.5, True),
        (7.5, 14.5, False),  # in the delay: at midnight of day 14 its label is half a day short
        (7.5, 15.1, True),
        (8.5, 15.9, False),  # the label is known in the course of day 15, the list is made at midnight
        (14.2, 16.5, False),  # in the test itself
        (-0.5, 16.5, False),  # before training, as the Handbook has it
    ],
)
def test_a_customer_is_known_once_a_label_as_late_as_the_delay_has_come(
    fraud_day: float, test_day: float, expected: bool
) -> None:
    windows = Split(0, 7 * DAY, 14 * DAY, 21 * DAY)
    examples = of_customers([(fraud_day, "a", True), (test_day, "a", False), (test_day, "b", False)])
    test = examples.where(np.array([False, True, True]))
    assert is_known(examples, test, windows).tolist() == [expected, False]
