import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import wire
from shared.sketches import HOUR, SCORE_EDGES, Layout, Origin, Sketcher, Traffic, code_edges

LAYOUT = Layout({"amount": np.array([1.0, 10.0]), "decision": code_edges(4)})


def traffic(offsets, accepted_ms, partition=0, amounts=None):
    count = len(offsets)
    matrix = np.zeros((count, 2))
    matrix[:, 0] = 5.0 if amounts is None else amounts
    matrix[:, 1] = 1
    offsets = np.array(offsets, np.int64)
    partitions = np.full(count, partition, np.int32)
    return Traffic(partitions, offsets, np.array(accepted_ms, np.int64), offsets * 10, matrix)


def sketcher(span_seconds=1):
    return Sketcher(Origin("scoring-0", "scores", "features.terminal.v1"), LAYOUT, span_seconds)


def records(outgoing):
    return [wire.decode(value, "sketches.v1") for each in outgoing for value in each.values]


def by_searchsorted(values, edges):
    defined = values[~np.isnan(values)]
    places = np.searchsorted(edges, defined, side="right")
    return [*np.bincount(places, minlength=len(edges) + 1).tolist(), int(np.isnan(values).sum())]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(width=32) | st.sampled_from(SCORE_EDGES.tolist()), max_size=50))
def test_bins_are_those_of_numpy_and_the_last_counts_the_undefined(values):
    column = np.array(values, np.float64)
    counts = Layout({"score": SCORE_EDGES}).histograms(column.reshape(-1, 1))
    assert counts.tolist() == by_searchsorted(column, SCORE_EDGES)


def test_histograms_stand_one_after_the_other():
    matrix = np.array([[0.5, 0], [1.0, 1], [9.9, 1], [10.0, 3], [np.nan, 2]])
    counts = LAYOUT.histograms(matrix).tolist()
    assert (counts[:4], counts[4:]) == ([1, 2, 1, 1], [1, 2, 1, 1, 0])
    assert LAYOUT.sizes == [4, 5]


def test_edges_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="edges of score must ascend"):
        Layout({"score": np.array([0.5, 0.5])})


def test_a_second_is_summarised_when_its_partition_goes_into_the_next():
    sketches = sketcher()
    assert sketches.add(traffic([3, 4], [5_000, 5_999]), "m1") == []
    (sketch,) = records(sketches.add(traffic([5], [6_000]), "m1"))
    assert (sketch["first_offset"], sketch["last_offset"], sketch["count"]) == (3, 4, 2)
    assert (sketch["first_event_time"], sketch["last_event_time"]) == (30, 40)
    assert (sketch["partition"], sketch["topic"]) == (0, "features.terminal.v1")
    assert (sketch["writer"], sketch["kind"], sketch["model_version"]) == ("scoring-0", "scores", "m1")
    assert (sketch["names"], sketch["sizes"]) == (["amount", "decision"], [4, 5])
    assert (sketch["counts"][:4], sketch["counts"][4:]) == ([0, 2, 0, 0], [0, 2, 0, 0, 0])


def test_the_key_of_a_sketch_is_its_writer():
    sketches = sketcher()
    sketches.add(traffic([0], [0]), None)
    (outgoing,) = sketches.add(traffic([1], [9_000]), None)
    assert (outgoing.topic, outgoing.keys) == ("sketches.v1", [b"scoring-0"])


def test_partitions_are_closed_each_by_its_own_records():
    sketches = sketcher()
    sketches.add(traffic([0], [500], partition=0), "m1")
    assert sketches.add(traffic([7], [90_000], partition=3), "m1") == []
    (sketch,) = records(sketches.add(traffic([1], [1_000], partition=0), "m1"))
    assert (sketch["partition"], sketch["first_offset"]) == (0, 0)


def test_a_batch_over_many_seconds_gives_a_sketch_for_each_but_the_last():
    found = records(sketcher().add(traffic(range(10), [ms * 500 for ms in range(10)]), "m1"))
    assert [(each["first_offset"], each["last_offset"]) for each in found] == [(0, 1), (2, 3), (4, 5), (6, 7)]


def test_a_longer_span_gives_fewer_sketches():
    assert len(records(sketcher(2).add(traffic(range(10), [ms * 500 for ms in range(10)]), "m1"))) == 2


def test_the_sums_of_a_sketch_are_of_the_defined_values():
    sketches = sketcher()
    sketches.add(traffic([0, 1, 2], [0, 0, 0], amounts=[1.5, np.nan, 2.0]), "m1")
    assert records(sketches.release(0))[0]["sums"] == [3.5, 3.0]
    sketches.add(traffic([3], [0]), "m1")
    assert records(sketches.release(0))[0]["sums"] == [5.0, 1.0]


def test_a_sketch_is_of_one_hour_of_event_time_and_a_late_record_counts_in_the_open_one():
    sketches = sketcher()
    rows = traffic([0, 1, 2, 3], [0, 0, 0, 0])
    times = np.array([HOUR - 1, HOUR, HOUR - 2, HOUR + 5])
    assert [each["count"] for each in records(sketches.add(rows._replace(event_times=times), "m1"))] == [1]
    (open_hour,) = records(sketches.release(0))
    assert (open_hour["first_offset"], open_hour["count"], open_hour["last_event_time"]) == (1, 3, HOUR + 5)


def test_an_open_sketch_of_an_earlier_second_expires():
    sketches = sketcher()
    assert sketches.is_empty
    sketches.add(traffic([0], [5_000]), "m1")
    assert sketches.expire(0, 5_999) == []
    assert not sketches.is_empty
    assert records(sketches.expire(0, 6_000))[0]["count"] == 1
    assert sketches.is_empty


def test_a_broker_clock_that_goes_back_closes_nothing():
    sketches = sketcher()
    sketches.add(traffic([0], [5_000]), "m1")
    assert sketches.add(traffic([1, 2], [4_000, 5_500]), "m1") == []
    (sketch,) = records(sketches.add(traffic([3], [6_000]), "m1"))
    assert (sketch["first_offset"], sketch["last_offset"], sketch["count"]) == (0, 2, 3)


def test_a_sketch_is_of_one_model():
    sketches = sketcher()
    sketches.add(traffic([0], [5_000]), None)
    (first,) = records(sketches.add(traffic([1], [5_001]), "m1"))
    (second,) = records(sketches.add(traffic([2], [5_002]), "m2"))
    assert [first["model_version"], second["model_version"]] == [None, "m1"]
    assert [first["last_offset"], second["first_offset"]] == [0, 1]


def test_a_released_partition_gives_what_it_has_and_begins_anew():
    sketches = sketcher()
    sketches.add(traffic([0], [5_000]), "m1")
    assert records(sketches.release(0))[0]["count"] == 1
    assert sketches.release(0) == []
    sketches.add(traffic([1], [5_000]), "m1")
    assert records(sketches.release(0))[0]["first_offset"] == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4_000)), max_size=40), st.integers(1, 40))
def test_cutting_the_log_into_other_batches_gives_the_same_sketches(rows, size):
    def sketches_of(cut):
        sketches, found = sketcher(), []
        for start in range(0, len(rows), cut):
            part = rows[start : start + cut]
            found += records(sketches.add(mixed(part, start), "m1"))
        return sorted((each["partition"], each["first_offset"], each["counts"]) for each in found)

    assert sketches_of(size) == sketches_of(max(len(rows), 1))


def mixed(part, start):
    whole = traffic([start + at for at in range(len(part))], [ms for _, ms in part])
    return whole._replace(partitions=np.array([partition for partition, _ in part], np.int32))


@given(st.lists(st.integers(-(1 << 62), 1 << 62)), st.lists(st.text(max_size=200), max_size=3))
@settings(deadline=None)
def test_arrays_are_written_as_fastavro_writes_them(numbers, names):
    record = {
        **{"writer": "w", "kind": "labels", "topic": "t", "model_version": None},
        **dict.fromkeys(("partition", "first_offset", "last_offset", "count"), 0),
        **dict.fromkeys(("first_event_time", "last_event_time"), 0),
        **{"names": names, "sizes": [2] * len(names), "counts": numbers, "sums": [float(n) for n in numbers]},
    }
    arrays = (
        wire.text_array(names),
        wire.long_array(np.full(len(names), 2)),
        wire.long_array(np.array(numbers, np.int64)),
        wire.double_array(np.array(numbers, np.float64)),
    )
    assert wire.encode("sketches.v1", record).endswith(b"\0" + b"".join(arrays))


def test_a_sketch_is_written_as_fastavro_writes_it():
    for version in ("m1", None):
        sketches = sketcher()
        sketches.add(traffic([3, 4], [5_000, 5_999]), version)
        ((sketch,),) = [each.values for each in sketches.release(0)]
        assert wire.encode("sketches.v1", wire.decode(sketch, "sketches.v1")) == sketch
