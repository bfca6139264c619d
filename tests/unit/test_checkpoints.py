from pathlib import Path

import numpy as np

from shared.stream.checkpoints import Checkpoint, Checkpoints
from shared.stream.marker import STARTS_BEFORE_CARE, CrashMarker
from shared.stream.progress import Place

PLACE = Place("transactions.v1", 1)


def checkpoint(offset: int) -> Checkpoint:
    arrays = {"times": np.arange(offset, dtype=np.int64)}
    return Checkpoint(
        1,
        {"transactions.v1": offset},
        {"transactions.v1": [offset]},
        {},
        {"transactions.v1": ["id", 4]},
        arrays,
    )


def test_the_newest_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Checkpoints(str(tmp_path), "features.customer")
    for offset in (5, 90, 11):
        store.write(checkpoint(offset))
    found = store.newest(1)
    assert found is not None
    assert (found.offsets, found.positions, found.topics) == (
        {"transactions.v1": 90},
        {"transactions.v1": [90]},
        {"transactions.v1": ["id", 4]},
    )
    assert found.arrays["times"].tolist() == list(range(90))


def test_a_damaged_or_cut_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    store = Checkpoints(str(tmp_path), "s")
    store.write(checkpoint(5))
    store.write(checkpoint(6))
    newest = max(tmp_path.rglob("*.npz"))
    newest.write_bytes(newest.read_bytes()[:-3])
    found = store.newest(1)
    assert found is not None
    assert found.offsets == {"transactions.v1": 5}


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert Checkpoints(str(tmp_path), "s").newest(0) is None


def started(file: Path, offset: int) -> CrashMarker:
    marker = CrashMarker(file)
    marker.started({PLACE: offset})
    return marker


def test_care_begins_after_three_starts_at_the_same_offset(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for _ in range(STARTS_BEFORE_CARE):
        assert not started(file, 7).needs_care()
    assert started(file, 7).needs_care()


def test_a_record_noted_when_the_process_ended_is_the_culprit(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for _ in range(STARTS_BEFORE_CARE + 1):
        marker = started(file, 7)
        marker.needs_care()
    marker.taking(PLACE, 9)
    assert started(file, 7).culprits == {(PLACE, 9)}


def test_starts_that_move_on_are_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for offset in range(10):
        assert not started(file, offset).needs_care()
