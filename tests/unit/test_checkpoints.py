from pathlib import Path

import numpy as np

from shared.stream.checkpoints import Checkpoint, Checkpoints
from shared.stream.marker import STARTS_BEFORE_CARE, CrashMarker, Spans
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


def ended(file: Path, offset: int, spans: Spans) -> CrashMarker:
    """A process that began at an offset and ended while it took a batch."""
    marker = started(file, offset)
    marker.needs_care(spans)
    return marker


def test_care_begins_after_two_starts_at_the_same_offset_with_the_batch_noted_last(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for _ in range(STARTS_BEFORE_CARE):
        ended(file, 7, {PLACE: (7, 20)})
    marker = started(file, 7)
    assert not marker.needs_care({PLACE: (0, 6)})
    assert marker.needs_care({PLACE: (20, 40)})
    assert not marker.needs_care({Place("transactions.v1", 2): (7, 20)})


def test_care_ends_once_the_suspects_are_committed(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for _ in range(STARTS_BEFORE_CARE):
        ended(file, 7, {PLACE: (7, 20)})
    marker = started(file, 7)
    marker.committed({PLACE: 20})
    assert marker.needs_care({PLACE: (20, 40)})
    marker.committed({PLACE: 21})
    assert not marker.needs_care({PLACE: (20, 40)})
    assert not marker.is_watchful


def ended_amid(file: Path, offset: int, record: int) -> None:
    """A process that began at an offset and ended while it took a record with care."""
    ended(file, offset, {PLACE: (offset, 20)}).taking(PLACE, record)


def test_a_record_noted_when_two_processes_ended_is_the_culprit(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    ended_amid(file, 7, 9)
    accusing = started(file, 8)
    assert accusing.culprits == set()
    assert accusing.needs_care({PLACE: (9, 20)})
    assert not accusing.needs_care({PLACE: (10, 20)})
    accusing.taking(PLACE, 9)
    assert started(file, 9).culprits == {(PLACE, 9)}


def test_an_end_from_outside_amid_a_record_makes_no_culprit(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    ended_amid(file, 7, 9)
    ended_amid(file, 7, 8)  # another one, before the accused
    later = started(file, 7)
    later.taking(PLACE, 8)
    later.taken()
    later.taking(PLACE, 9)
    assert started(file, 9).culprits == {(PLACE, 9)}


def test_an_accused_record_that_is_outlived_is_accused_no_longer(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    ended_amid(file, 7, 9)
    later = started(file, 7)
    later.taking(PLACE, 9)
    later.taken()
    assert not later.needs_care({PLACE: (7, 20)})
    ended_amid(file, 7, 9)
    assert started(file, 9).culprits == set()


def test_a_culprit_is_remembered_for_good(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for _ in range(2):
        ended_amid(file, 7, 9)
    again = started(file, 8)
    again.committed({PLACE: 30})
    again.clear()
    assert started(file, 30).culprits == {(PLACE, 9)}
    built_anew = started(file, 0)
    assert built_anew.culprits == {(PLACE, 9)}
    assert built_anew.needs_care({PLACE: (0, 20)})
    assert not built_anew.needs_care({PLACE: (10, 20)})


def test_starts_that_move_on_are_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    for offset in range(10):
        assert not ended(file, offset, {PLACE: (offset, 20)}).is_watchful


def test_starts_of_a_place_without_records_are_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    idle = Place("transactions.v1", 2)
    for offset in range(10):
        marker = CrashMarker(file)
        marker.started({PLACE: offset, idle: 0})
        marker.needs_care({PLACE: (offset, 20)})
        assert not marker.is_watchful


def test_a_place_that_gets_on_does_not_hide_another_that_does_not(tmp_path: Path) -> None:
    file = tmp_path / "starts.json"
    other = Place("transactions.v1", 2)
    for offset in range(STARTS_BEFORE_CARE):
        marker = CrashMarker(file)
        marker.started({PLACE: 7, other: offset})
        marker.needs_care({PLACE: (7, 20), other: (offset, offset)})
        marker.committed({other: offset + 1})
    assert marker.is_watchful
