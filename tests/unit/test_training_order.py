"""The order of examples does not depend on how the partitions were read."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training.order import ORDER, SLACK_LAGS, Merge, Reached
from shared.features import definitions

PARTITIONS = 3
times = st.lists(st.integers(0, 50), min_size=1, max_size=15)


def rows(partition: int, known: list[int], first: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "partition": [partition] * len(known),
            "offset": range(first, first + len(known)),
            "known_at": known,
        }
    )


def taken(log: list[list[int]], steps: list[int]) -> list[tuple[int, int, int]]:
    """Read the partitions in the order of ``steps``, one record each, taking what can be taken."""
    merge, read, found = Merge(PARTITIONS, slack=5), [0] * PARTITIONS, []
    for partition in [*steps, *(p for p in range(PARTITIONS) for _ in log[p])]:
        if read[partition] == len(log[partition]):
            continue
        merge.add(rows(partition, [log[partition][read[partition]]], read[partition]))
        read[partition] += 1
        limit = merge.limit(at_end=())
        if limit is not None:
            found += merge.take(limit).select(ORDER).rows() if merge.waiting else []
    return found


@settings(max_examples=15, deadline=None)
@given(st.tuples(times, times, times), st.lists(st.integers(0, PARTITIONS - 1), max_size=40))
def test_the_order_is_that_of_the_log(log: tuple[list[int], ...], steps: list[int]) -> None:
    found = taken(list(log), steps)
    plain = taken(list(log), [])
    assert found == plain == sorted(plain)
    for partition in range(PARTITIONS):
        offsets = [offset for _, of, offset in found if of == partition]
        assert offsets == list(range(len(offsets)))


def test_a_merge_goes_on_where_another_stopped() -> None:
    known = [[3, 9, 4, 12, 30], [1, 2, 11, 15, 31], [2, 8, 9, 20, 32]]
    plain = taken(known, [])
    first = Merge(PARTITIONS, slack=5)
    for partition, each in enumerate(known):
        first.add(rows(partition, each[:3]))
    begun = first.take(9).select(ORDER).rows()
    second = Merge(PARTITIONS, 5, dict(first.reached))
    for partition, each in enumerate(known):
        at = first.reached[partition].offset
        second.add(rows(partition, each[at:], at))
    limit = second.limit(at_end=())
    assert limit is not None
    assert begun + second.take(limit).select(ORDER).rows() == plain


def test_a_partition_read_to_its_end_holds_back_by_the_slack_only() -> None:
    merge = Merge(2, slack=10)
    merge.add(rows(0, [5, 40]))
    assert merge.limit(at_end={0}) is None
    assert merge.limit(at_end={0, 1}) == 30
    merge.add(rows(1, [38]))
    assert merge.limit(at_end={0, 1}) == 38
    assert merge.reached == {}
    merge.take(38)
    assert merge.reached == {0: Reached(1, 5)}


def test_partitions_as_far_apart_as_a_replay_lets_them_come_are_merged_in_order() -> None:
    lag = definitions().label_lag
    far, behind = 2 * lag, lag  # where the replay let the partitions come; one tells of a fraud just now
    merge = Merge(2, SLACK_LAGS * lag)
    merge.add(rows(0, [behind, behind + 2, far + lag]))
    merge.add(rows(1, [behind]))
    limit = merge.limit(at_end={0, 1})
    assert limit is not None
    found = merge.take(limit).select(ORDER).rows()
    merge.add(rows(1, [behind + 1, far], 1))  # what it had not come to
    limit = merge.limit(at_end=())
    assert limit is not None
    found += merge.take(limit + 1).select(ORDER).rows()
    assert found == sorted(found)
    assert len(found) == 5
