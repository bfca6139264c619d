"""The checker of `make faults publishes` bites: each thing that may go wrong with scores is planted once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from shared.models import Refusal
from tests.faults.publications import Publication
from tests.faults.publishes import Scores, gaps, judged, misreported
from tests.unit.model_packages import record
from tests.unit.scoring_samples import features, wide_model, wide_package

COUNT, SWAP = 40, 20
SENT = [b"t%d" % number for number in range(COUNT)]


def publication(version: str, seed: int, refusal: Refusal | None = None) -> Publication:
    made = record(wide_package(version, seed), version=version)
    return Publication(made, wide_model(version, seed), refusal)


FIRST, CORRUPT, SECOND = PUBLISHED = [
    publication("first", 1),
    publication("corrupt", 2, Refusal.ALTERED),
    publication("second", 3),
]


def sound() -> Scores:
    """Scores by the first and then by the second, the first beside it; one each 2 ms, in two partitions."""
    matrix = features(COUNT)
    first, second = (each.model.predict(matrix) for each in (FIRST, SECOND))
    is_swapped = np.arange(COUNT) >= SWAP
    table = pl.DataFrame(
        {
            "transaction_id": [name.decode() for name in SENT],
            "model_version": np.where(is_swapped, "second", "first"),
            "score": np.where(is_swapped, second, first),
            "challenger_version": [None] * SWAP + ["first"] * (COUNT - SWAP),
            "challenger_score": [None] * SWAP + first[SWAP:].tolist(),
            "partition": np.arange(COUNT) % 2,
            "appended_ms": 2 * np.arange(COUNT),
        }
    )
    return Scores(table, matrix)


def in_row(row: int, **values: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A change of one row."""

    def changed(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(
            pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return changed


def test_sound_scores_are_not_blamed() -> None:
    assert set(judged(sound(), SENT, PUBLISHED).values()) == {0}


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (lambda table: table.head(COUNT - 1), "payments that were not scored"),
        (in_row(0, transaction_id="t1"), "payments scored twice"),
        (in_row(0, model_version=None, score=None), "payments without a model"),
        (in_row(SWAP, model_version="corrupt"), "scores by a version that may not act"),
        (in_row(SWAP, challenger_version="corrupt"), "scores by a version that may not act"),
        (in_row(0, score=0.5), "scores that are not their model's"),
        (in_row(SWAP, challenger_score=0.5), "scores that are not their model's"),
        (in_row(SWAP, model_version="first"), "scores that are not their model's"),
        (in_row(COUNT - 1, model_version="first"), "scores by a version after its successor's"),
        (lambda table: table.head(SWAP), "sound versions that never acted"),
    ],
)
def test_what_is_planted_is_found(planted: Callable[[pl.DataFrame], pl.DataFrame], found: str) -> None:
    whole = sound()
    assert judged(Scores(planted(whole.table), whole.features), SENT, PUBLISHED)[found] > 0


def test_each_corrupt_version_is_due_one_event_for_its_reason() -> None:
    assert misreported({"corrupt": ["altered"]}, PUBLISHED) == {
        "corrupt versions without their event": 0,
        "sound versions refused": 0,
    }
    for reasons in ([], ["unsigned"], ["altered", "altered"]):
        found = misreported({"corrupt": reasons}, PUBLISHED)
        assert found["corrupt versions without their event"] == 1
    assert (
        misreported({"corrupt": ["altered"], "first": ["altered"]}, PUBLISHED)["sound versions refused"] == 1
    )


def test_a_gap_is_the_longest_between_two_scores_of_a_round() -> None:
    late = sound().table.with_columns(pl.col("appended_ms") + 90 * (pl.int_range(pl.len()) >= SWAP))
    assert gaps(Scores(late, features(COUNT)), [SENT, SENT[:SWAP], SENT[SWAP:]]) == [92, 2, 2]
