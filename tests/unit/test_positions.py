import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.stream.positions import Positions
from shared.stream.progress import Place, Progress, Reached, committed_reach

PLACE = Place("scores.v1", 0)


def accept(positions: Positions, rows: list[tuple[int, int, int]]) -> list[bool]:
    partitions, upstream, offsets = (np.array(column) for column in zip(*rows, strict=True))
    return positions.accept(partitions.astype(np.int32), upstream.astype(np.int32), offsets).tolist()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 9)), min_size=1))
def test_the_first_copy_wins_by_a_plain_dictionary(rows: list[tuple[int, int, int]]) -> None:
    highest: dict[tuple[int, int], int] = {}
    expected = []
    for partition, upstream, offset in rows:
        expected.append(offset > highest.get((partition, upstream), -1))
        highest[partition, upstream] = max(offset, highest.get((partition, upstream), -1))
    assert accept(Positions(), rows) == expected


def test_positions_go_through_a_commit_unchanged() -> None:
    positions = Positions()
    accept(positions, [(1, 2, 40), (1, 0, 7)])
    back = committed_reach(9, Reached(9, positions.of(1), 123).metadata(), needs_positions=True)
    assert back == Reached(9, [7, -1, 40], 123)


def test_raising_never_lowers() -> None:
    positions = Positions()
    positions.put(0, [5, 9])
    positions.raise_to(0, [7, 3, 4])
    assert positions.of(0) == [7, 9, 4]


def test_an_offset_committed_without_positions_is_refused() -> None:
    for metadata in (None, "", "{}", "not json"):
        try:
            committed_reach(5, metadata, needs_positions=True)
        except ValueError:
            continue
        raise AssertionError(metadata)


def test_progress_waits_for_the_oldest_batch() -> None:
    progress = Progress()
    first = progress.open({PLACE: Reached(10)}, waiting=2)
    second = progress.open({PLACE: Reached(20)}, waiting=1)
    progress.answered(second)
    progress.answered(first)
    assert progress.take_changed() == {}
    progress.answered(first)
    assert progress.take_changed() == {PLACE: Reached(20)}
    assert progress.is_settled


def test_a_batch_without_outputs_is_durable_once_those_before_it_are() -> None:
    progress = Progress()
    first = progress.open({PLACE: Reached(1)}, waiting=1)
    progress.open({PLACE: Reached(2)}, waiting=0)
    assert not progress.has_reached(PLACE, 1)
    progress.answered(first)
    assert progress.has_reached(PLACE, 2)
