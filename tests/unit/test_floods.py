"""Floods of labels are left out of training, and what is usual is not."""

from __future__ import annotations

import polars as pl

from services.training.floods import floods
from services.training.split import DAY
from shared.policy import GuardsPolicy

GUARDS = GuardsPolicy(declines_per_hour=1, labels_per_terminal_day=5, flood_least=20, flood_ratio=4.0)


def labels(day: int, count: int, origin: str = "chargeback", terminals: int = 10_000) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "terminal_id": [f"m{(day * 977 + number) % terminals}" for number in range(count)],
            "label_origin": origin,
            "label_time": [day * DAY + number for number in range(count)],
            "is_implied": origin == "implied",
        }
    )


def usual(days: int = 20, count: int = 10) -> pl.DataFrame:
    return pl.concat([labels(day, count) for day in range(days)])


def test_usual_days_and_implied_labels_are_no_flood() -> None:
    rows = pl.concat([usual(), labels(3, 5000, "implied", terminals=2)])
    mask, found = floods(rows, GUARDS)
    assert (mask.sum(), found) == (0, [])


def test_a_day_far_above_the_origins_median_is_left_out_and_no_other() -> None:
    rows = pl.concat([usual(), labels(25, 41), labels(26, 40), labels(25, 20, "customer")])
    mask, found = floods(rows, GUARDS)
    assert [(each.by, each.name, each.day, each.labels, each.limit) for each in found] == [
        ("label_origin", "chargeback", 25, 41, 40)
    ]
    assert rows.filter(pl.Series(mask)).equals(labels(25, 41))


def test_an_origin_that_was_never_heard_of_is_held_to_the_least() -> None:
    rows = pl.concat([usual(), labels(25, 21, "partner"), labels(26, 20, "other")])
    _, found = floods(rows, GUARDS)
    assert [(each.name, each.labels, each.limit) for each in found] == [("partner", 21, 20)]


def test_an_origins_limit_grows_with_its_traffic() -> None:
    mask, _ = floods(pl.concat([usual(count=1000), labels(25, 3900)]), GUARDS)
    assert not mask.any()


def test_labels_onto_one_terminal_are_capped_whatever_their_origin() -> None:
    flood = pl.concat([labels(7, 3, "customer", terminals=1), labels(7, 3, "investigation", terminals=1)])
    mask, found = floods(pl.concat([usual(), flood]), GUARDS)
    assert [(each.by, each.name, each.labels) for each in found] == [("terminal_id", "m0", 6)]
    assert mask.sum() == 6


def test_no_rows_give_no_floods() -> None:
    mask, found = floods(labels(1, 1).clear(), GUARDS)
    assert (mask.tolist(), found) == ([], [])
