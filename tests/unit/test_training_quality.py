"""Quality of the data set: what is wrong with it is found, and what is well is not complained of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from services.training.examples import Examples
from services.training.form import broken
from services.training.publish import histograms
from services.training.quality import Accepted, quality
from services.training.split import DAY
from shared.features import definitions

FEATURES = definitions()
COUNT, DAYS = 4000, 20


def sound(seed: int = 0) -> Examples:
    generator = np.random.default_rng(seed)
    times = np.sort(generator.integers(30 * DAY, (30 + DAYS) * DAY, COUNT))
    ids = [f"{number:032x}" for number in range(COUNT)]
    rows = pl.DataFrame(
        {
            "transaction_id": ids,
            "customer_id": ids,
            "terminal_id": ids,
            "event_time": times,
            "label_time": times + 7 * DAY,
            "known_at": times + 8 * DAY,
            "amount_base": generator.integers(1, 100, COUNT),
            "channel": ["online"] * COUNT,
            "is_fraud": np.arange(COUNT) % 100 == 0,
            "is_implied": np.arange(COUNT) % 100 != 0,
            "label_origin": ["implied"] * COUNT,
            "score": generator.random(COUNT),
            "model_version": ["m"] * COUNT,
            "online_score": [None] * COUNT,
        },
        schema_overrides={"online_score": pl.Float64},
    )
    features = generator.random((COUNT, len(FEATURES.names)), np.float32)
    features[generator.random(features.shape) < 0.05] = np.nan
    return Examples(rows, features)


def accepted(examples: Examples) -> Accepted:
    return Accepted(examples.frauds / len(examples), histograms(examples.features, FEATURES))


def names(examples: Examples, before: Accepted | None = None) -> dict[str, list[str]]:
    report = quality(examples, FEATURES, 0, before)
    return {kind: [c.name for c in report.checks if c.severity == kind] for kind in ("failed", "warning")}


def test_a_sound_set_passes_alone_and_beside_the_last_one() -> None:
    report = quality(sound(1), FEATURES, 7, accepted(sound()))
    assert [each for each in report.checks if each.severity != "ok"] == []
    assert (report.as_of, report.rows, report.frauds) == (7, COUNT, COUNT // 100)
    assert len(report.checks) > 3 * len(FEATURES.names)


@pytest.mark.parametrize(
    ("column", "change", "rows"),
    [
        ("transaction_id", lambda column: column.shift(1, fill_value=column[0]), 2),
        ("customer_id", lambda column: pl.Series(["c-7", *column[1:]]), 1),
        ("event_time", lambda column: pl.Series([None, *column[1:]], dtype=pl.Int64), 1),
        ("amount_base", lambda column: column - 1000, COUNT),
        ("channel", lambda column: pl.Series(["fax", *column[1:]]), 1),
        ("score", lambda column: column + 1, COUNT),
        ("label_time", lambda column: column.cast(pl.String), 1),
    ],
)
def test_a_broken_form_fails(column: str, change: Callable[[pl.Series], pl.Series], rows: int) -> None:
    found = sound()
    columns = pl.DataFrame(found.features, schema=list(FEATURES.names))
    changed = found.rows.with_columns(change(found.rows[column]).alias(column))
    told = broken(pl.concat([changed, columns], how="horizontal"), FEATURES)
    assert (column, rows) in [(name, count) for name, _, count in told]


def test_a_missing_column_and_a_value_out_of_range_fail() -> None:
    found = sound()
    assert names(Examples(found.rows.drop("channel"), found.features))["failed"] == ["form: table"]
    found.features[3, 1] = 7  # a flag
    found.features[4, 0] = np.inf
    assert names(found)["failed"] == ["form: amount", "form: is_weekend"]


def test_too_many_frauds_fail_and_a_jump_of_their_share_is_told() -> None:
    found = sound()
    flooded = found.rows.with_columns(is_fraud=pl.int_range(pl.len()) % 3 == 0)
    assert names(Examples(flooded, found.features))["failed"] == ["share of frauds"]
    some = found.rows.with_columns(is_fraud=pl.int_range(pl.len()) % 20 == 0)
    told = names(Examples(some, found.features), accepted(found))
    assert told == {"failed": [], "warning": ["share of frauds against the last set"]}


def test_a_thin_day_a_shifted_feature_and_a_lost_one_are_told() -> None:
    found, before = sound(), accepted(sound())
    thin = found.where((found.times // DAY != 35) | (np.arange(COUNT) % 10 == 0))
    assert names(thin, before)["warning"] == ["payments of the thinnest day"]
    found.features[:, 3] += 3
    found.features[::2, 16] = np.nan
    told = names(found, before)["warning"]
    assert f"distribution: {FEATURES.names[3]}" in told
    assert f"share undefined: {FEATURES.names[16]}" in told
