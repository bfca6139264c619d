"""The data set: of each payment what stands, whole after every crash, and plain Parquet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from services.training import dataset as module
from services.training.dataset import Dataset, Origin
from services.training.order import Reached
from services.training.split import DAY

ORIGIN = Origin("topic", 1, ("amount", "risk"), "0.1")
REACHED = {0: Reached(7, 9 * DAY)}


def row(name: str, day: float, **other: Any) -> dict[str, Any]:
    time = int(day * DAY)
    told = {
        "partition": 0, "offset": 0, "transaction_id": name, "event_time": time, "is_fraud": False,
        "label_rank": 0, "label_time": time + 7 * DAY, "known_at": time + 8 * DAY, "amount": 1.0, "risk": 0.5,
    }  # fmt: skip
    return {**told, "at": 9 * DAY, **other}


def rows(*each: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(each))


def take(found: Dataset, taken: pl.DataFrame, attachment: bytes = b"") -> None:
    found.commit(found.standing(taken.drop("at")), taken, REACHED, attachment)


def opened(folder: Path, origin: Origin = ORIGIN) -> Dataset:
    return Dataset.open(folder / "examples", 30, origin)


def names(found: Dataset) -> list[str]:
    return found.examples(0, 100 * DAY).rows["transaction_id"].to_list()


def test_of_each_payment_the_highest_rank_stands(tmp_path: Path) -> None:
    found = opened(tmp_path)
    take(found, rows(row("a", 1), row("b", 1.5)))
    take(found, rows(row("a", 1, is_fraud=True, label_rank=1, label_time=3 * DAY)))
    take(found, rows(row("a", 1), row("c", 2)))
    examples = found.examples(0, 100 * DAY)
    assert examples.rows.select("transaction_id", "is_fraud").rows() == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
    np.testing.assert_array_equal(examples.features, np.array([[1, 0.5]] * 3, np.float32))


def test_what_was_committed_is_there_after_a_start(tmp_path: Path) -> None:
    take(opened(tmp_path), rows(row("a", 1)), b"learner")
    again = opened(tmp_path)
    assert (names(again), again.reached, again.attachment) == (["a"], REACHED, b"learner")
    assert again.state.began == 9 * DAY


@pytest.mark.parametrize("failing", ["_write", "_replace"])
def test_a_commit_cut_short_before_its_state_is_undone(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(tmp_path)
    take(found, rows(row("a", 1)), b"first")
    whole, calls = getattr(module, failing), []

    def fail(*arguments: Any) -> None:
        calls.append(arguments)
        if failing == "_replace" or len(calls) == 2:
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(module, failing, fail)
    with pytest.raises(KeyboardInterrupt):
        take(found, rows(row("a", 1, is_fraud=True, label_rank=1), row("b", 2)), b"second")
    monkeypatch.undo()
    again = opened(tmp_path)
    assert (names(again), again.attachment) == (["a"], b"first")
    assert again.examples(0, 100 * DAY).frauds == 0


def test_a_commit_cut_short_after_its_state_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(tmp_path)
    take(found, rows(row("a", 1)), b"first")
    monkeypatch.setattr(Dataset, "_settle", lambda self: None)
    take(found, rows(row("a", 1, is_fraud=True, label_rank=1), row("b", 2)), b"second")
    monkeypatch.undo()
    again = opened(tmp_path)
    assert (names(again), again.attachment) == (["a", "b"], b"second")
    assert again.examples(0, 100 * DAY).frauds == 1


def test_days_before_the_window_are_dropped_and_not_taken_again(tmp_path: Path) -> None:
    found = opened(tmp_path)
    take(found, rows(row("old", 1), row("a", 20)))
    take(found, rows(row("new", 40)))
    take(found, rows(row("older", 2)))
    assert names(found) == ["a", "new"]


@pytest.mark.parametrize(
    "origin",
    [
        Origin("another", 1, ORIGIN.features, "0.1"),
        Origin("topic", 2, ORIGIN.features, "0.1"),
        Origin("topic", 1, ORIGIN.features, "0.2"),
    ],
)
def test_another_origin_begins_anew(tmp_path: Path, origin: Origin) -> None:
    take(opened(tmp_path), rows(row("a", 1)))
    again = opened(tmp_path, origin)
    assert (again.reached, again.attachment, again.dates()) == ({}, None, [])


def test_a_damaged_file_begins_anew(tmp_path: Path) -> None:
    take(opened(tmp_path), rows(row("a", 1)))
    file = next((tmp_path / "examples").rglob("examples.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    assert opened(tmp_path).reached == {}


def test_a_label_that_counts_later_is_not_seen(tmp_path: Path) -> None:
    found = opened(tmp_path)
    take(found, rows(row("a", 1), row("b", 2)))
    assert len(found.examples(0, 100 * DAY, known_by=9 * DAY)) == 1


def test_pandas_reads_the_folder(tmp_path: Path) -> None:
    take(opened(tmp_path), rows(row("a", 1), row("b", 2)), b"learner")
    frame = pd.read_parquet(tmp_path / "examples")
    assert frame["event_date"].astype(str).tolist() == ["1970-01-02", "1970-01-03"]
    assert frame["event_time"][0] == datetime(1970, 1, 2, tzinfo=UTC)
    assert frame["amount"].tolist() == [1.0, 1.0]


def test_a_place_in_the_log_goes_with_the_rows(tmp_path: Path) -> None:
    found = opened(tmp_path)
    take(found, rows(row("a", 1)))
    moved = {**REACHED, 3: replace(REACHED[0], offset=2)}
    taken = rows(row("b", 1))
    found.commit(found.standing(taken.drop("at")), taken, moved, b"")
    assert opened(tmp_path).reached == moved
