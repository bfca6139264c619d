"""Card precision of payments as they were served, the expected values by hand."""

from __future__ import annotations

import polars as pl
import pytest

from services.training.recipe import READ_DAYS, USUAL
from services.training.served import card_precision_served
from services.training.split import DAY
from services.training.steering import matured
from shared.features import definitions

WEEK, UNTIL, NOW = 93, 100 * DAY, 109 * DAY
"""Its first day, its end, and when it is told."""
Paid = tuple[str, float, float | None, bool]
"""Customer, day, score as served, whether it is a fraud."""
COLUMNS = ["customer_id", "day", "score", "is_fraud"]


def rows(paid: list[Paid], version: str | None = "v1") -> pl.DataFrame:
    frame = pl.DataFrame(paid, schema=COLUMNS, orient="row", schema_overrides={"score": pl.Float64})
    time = (pl.col("day") * DAY).cast(pl.Int64)
    return frame.select(pl.exclude("day"), event_time=time, model_version=pl.lit(version, pl.String)).sort(
        "event_time", maintain_order=True
    )


def crowd(day: int) -> list[Paid]:
    """A hundred cards to check that are none."""
    return [(f"crowd {number}", day, 0.5, False) for number in range(100)]


def value(*paid: list[Paid]) -> float | None:
    told = card_precision_served(rows([each for part in paid for each in part]), UNTIL, NOW)
    return None if told is None else told.value


def test_it_is_the_mean_over_days_of_compromised_cards_among_the_hundred_that_scored_highest() -> None:
    found_on_both: list[Paid] = [("a", WEEK, 0.9, True), ("b", WEEK + 1.5, 0.8, True)]
    below: list[Paid] = [("c", WEEK + 1, 0.4, True)]
    assert value(crowd(WEEK), crowd(WEEK + 1), found_on_both, below) == pytest.approx((1 + 1) / 100 / 2)
    assert value(crowd(WEEK), crowd(WEEK + 1), below) == 0.0


def test_a_card_found_on_a_day_of_the_week_is_not_found_again() -> None:
    daily: list[Paid] = [("a", WEEK + day, 0.9, True) for day in range(7)]
    assert value(daily) == pytest.approx(1 / 100 / 7)


@pytest.mark.parametrize(
    ("earlier", "found"),
    [(80, 0), (WEEK - 7 - 0.5, 0), (WEEK - 7, 1), (WEEK - 1, 1), (WEEK - 7 - USUAL.days - 0.5, 1)],
)
def test_a_customer_known_to_be_compromised_by_the_start_of_the_day_is_left_out(
    earlier: float, found: int
) -> None:
    before: list[Paid] = [("a", earlier, 0.1, True)]
    assert value(before, [("a", WEEK, 0.9, True), ("b", WEEK, 0.2, False)]) == found / 100


def test_payments_of_other_weeks_and_those_without_a_score_are_not_looked_at() -> None:
    aside: list[Paid] = [("a", WEEK - 0.1, 0.9, True), ("b", 100, 0.9, True), ("c", WEEK, None, True)]
    assert value(aside) is None
    told = card_precision_served(rows([*aside, ("d", WEEK + 2, 0.7, True)]), UNTIL, NOW)
    assert told is not None
    assert (told.value, told.count) == (0.01, 1)
    assert card_precision_served(pl.DataFrame(), UNTIL, NOW) is None


def test_the_signal_tells_the_week_and_the_version_that_scored_most_of_it() -> None:
    few, most = rows([("a", WEEK, 0.9, True)], "v2"), rows([("b", WEEK, 0.9, True)] * 2, "v1")
    told = card_precision_served(pl.concat([few, most]), UNTIL + DAY // 2, NOW)
    assert told is not None
    assert (told.signal, told.service, told.severity) == ("performance.cp100", "training", "info")
    assert (told.event_time, told.since, told.until) == (NOW, WEEK * DAY, UNTIL)
    assert (told.model_version, told.is_mature) == ("v1", True)
    equal = card_precision_served(pl.concat([few, most.head(1)]), UNTIL, NOW)
    assert equal is not None
    assert equal.model_version == "v1"


def test_what_is_read_at_a_midnight_reaches_as_far_back_as_it_is_asked_who_is_known() -> None:
    waited = (NOW - matured(NOW, definitions())) // DAY
    assert waited + USUAL.test_days + USUAL.delay_days + USUAL.days <= READ_DAYS
