"""Which rows reach the cache, and when: only durable ones, the newest of each entity, all after a loss."""

from __future__ import annotations

import numpy as np

from services.features.newest import MOST_WAITING, REWRITTEN_AT_ONCE, Newest, NewestRows


class Shelf:
    """A sink that keeps what it is offered as the cache would, and can lose it."""

    def __init__(self) -> None:
        self.held: dict[bytes, tuple[int, int, float]] = {}
        self.has_place, self.lost = True, False

    def offer(self, partition: int, newest: Newest) -> None:
        assert len(set(newest.ids)) == len(newest.ids)
        for entity_id, offset, time, row in zip(
            newest.ids, newest.offsets, newest.times, newest.rows, strict=True
        ):
            self.held[entity_id] = (int(time), int(offset), float(row[0]))

    def has_room(self, partition: int) -> bool:
        return self.has_place

    def is_lost(self, partition: int) -> bool:
        was_lost, self.lost = self.lost, False
        return was_lost

    def release(self, partition: int) -> None:
        self.held.clear()

    def close(self) -> None:
        pass


def take(rows: NewestRows, ids: list[bytes], names: list[bytes], first: int, times: list[int]) -> None:
    numbers = np.array([ids.index(name) for name in names])
    offsets = np.arange(first, first + len(names))
    rows.take(0, ids, numbers, offsets, np.array(times), offsets[:, None].astype(np.float32))


def test_rows_reach_the_sink_only_when_they_are_durable() -> None:
    shelf = Shelf()
    rows = NewestRows(1, shelf)
    take(rows, [b"a", b"b"], [b"a", b"b", b"a"], 0, [10, 11, 12])
    take(rows, [b"a", b"b"], [b"b"], 3, [13])
    rows.hand_on()
    assert shelf.held == {}
    rows.acknowledged(0, 3)
    assert shelf.held == {b"a": (12, 2, 2.0), b"b": (11, 1, 1.0)}
    rows.acknowledged(0, 4)
    assert shelf.held[b"b"] == (13, 3, 3.0)


def test_the_later_event_time_stands_and_of_equal_ones_the_later_in_the_log() -> None:
    shelf = Shelf()
    rows = NewestRows(1, shelf)
    take(rows, [b"a"], [b"a", b"a", b"a"], 0, [10, 12, 11])
    take(rows, [b"a"], [b"a"], 3, [11])
    rows.acknowledged(0, 4)
    assert shelf.held == {b"a": (12, 1, 1.0)}
    take(rows, [b"a"], [b"a"], 4, [12])
    rows.acknowledged(0, 5)
    assert shelf.held == {b"a": (12, 4, 4.0)}


def test_after_a_loss_all_durable_rows_are_offered_again_as_far_as_there_is_room() -> None:
    shelf = Shelf()
    rows = NewestRows(1, shelf)
    ids = [b"%d" % each for each in range(REWRITTEN_AT_ONCE + 5)]
    take(rows, ids, ids, 0, [7] * len(ids))
    rows.acknowledged(0, len(ids))
    take(rows, ids, [b"1"], len(ids), [8])
    before = dict(shelf.held)
    shelf.held.clear()
    shelf.lost, shelf.has_place = True, False
    rows.hand_on()
    assert shelf.held == {}
    shelf.has_place = True
    rows.hand_on()
    assert len(shelf.held) == REWRITTEN_AT_ONCE - 1, "the row that is not durable is not offered"
    rows.hand_on()
    rows.acknowledged(0, len(ids) + 1)
    assert shelf.held == before | {b"1": (8, len(ids), float(len(ids)))}


def test_rows_of_a_snapshot_are_offered_without_a_payment() -> None:
    first = NewestRows(1, Shelf())
    take(first, [b"a", b"b", b"c"], [b"a", b"c", b"b"], 0, [10, 11, 12])
    arrays = {name: array.copy() for name, array in first.snapshot(0, 3).items()}
    shelf = Shelf()
    second = NewestRows(1, shelf)
    second.restore(0, arrays, np.array([True, False, True]), [b"a", b"c"])
    second.hand_on()
    assert shelf.held == {b"a": (10, 0, 0.0), b"c": (11, 1, 1.0)}


def test_what_waits_is_bounded_and_nothing_is_missed() -> None:
    shelf = Shelf()
    rows = NewestRows(1, shelf)
    ids = [b"%d" % each for each in range(MOST_WAITING + 9)]
    for at in range(len(ids)):
        take(rows, ids[: at + 1], [ids[at]], at, [at])
    rows.acknowledged(0, MOST_WAITING)
    assert shelf.held == {}, "they are read from state once those that found no room are durable"
    rows.acknowledged(0, len(ids))
    assert set(shelf.held) == set(ids)


def test_a_partition_that_is_released_is_forgotten() -> None:
    shelf = Shelf()
    rows = NewestRows(1, shelf)
    take(rows, [b"a"], [b"a"], 0, [10])
    rows.release(0)
    rows.acknowledged(0, 1)
    assert shelf.held == {}
