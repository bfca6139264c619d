"""Raw records by what became of them, as sketches, and what the monitor makes of these."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from services.ingest.sketches import IngestSketches
from services.monitor.limits import Limits
from services.monitor.monitor import Monitor
from services.monitor.quality import QualityWatch, missing
from services.monitor.summaries import Sketch, Totals
from shared.signals import Signal
from shared.sketches import DAY, HOUR
from shared.stream import Batch, Outgoing
from tests.unit.monitor_sketches import FEATURES, ingest_sketch, score_sketch

TOPIC = "transactions.raw.v1"


def batch(offsets: list[int], accepted_ms: int, partition: int = 0) -> Batch:
    count = len(offsets)
    places = np.full(count, partition, np.int32), np.array(offsets), np.full(count, accepted_ms)
    return Batch(TOPIC, [b""] * count, [b""] * count, *places)


def decoded(outgoing: list[Outgoing]) -> list[Sketch]:
    return [Sketch.from_bytes(value) for each in outgoing for value in each.values]


def test_a_second_of_results_is_told_when_the_next_begins() -> None:
    sketches = IngestSketches("ingest-0", 1)
    sketches.count("payment", 2)
    sketches.count("unparsable", 1)
    assert sketches.add(batch([4, 5, 6], 1000), HOUR) == []
    sketches.count("payment", 1)
    (sketch,) = decoded(sketches.add(batch([7], 2000), HOUR + 5))
    assert (sketch.kind, sketch.topic, sketch.first_offset, sketch.last_offset) == ("ingest", TOPIC, 4, 6)
    assert dict(zip(sketch.names, sketch.sums, strict=True)) == {"payment": 2, "unparsable": 1}
    assert (sketch.count, sketch.first_event_time) == (3, HOUR)


def test_an_hour_of_event_time_ends_it_too() -> None:
    sketches = IngestSketches("ingest-0", 1)
    assert sketches.add(batch([0], 1000), HOUR) == []
    assert len(decoded(sketches.add(batch([1], 1000), 2 * HOUR))) == 1


def test_records_that_came_before_any_time_is_known_are_not_counted() -> None:
    sketches = IngestSketches("ingest-0", 1)
    sketches.count("unparsable", 1)
    assert sketches.add(batch([0], 1000), None) == []
    sketches.add(batch([1], 1000), HOUR)
    (sketch,) = decoded(sketches.add(batch([2], 2000), HOUR))
    assert sketch.names == []


def day(results: dict[str, int]) -> Totals:
    found = Totals(sum(results.values()))
    found.sums = {name: float(number) for name, number in results.items()}
    return found


def test_more_dead_letters_than_usual_are_a_cause_and_are_told_by_reason() -> None:
    watch = QualityWatch(Limits())
    for _ in range(10):
        calm = watch.findings(day({"payment": 990, "repeat": 6, "unparsable": 4}))
    assert not [each for each in calm if each.is_cause]
    found = watch.findings(day({"payment": 500, "repeat": 6, "unknown_currency": 494}))
    assert {each.name for each in found if each.is_cause} == {"dead-letters.page-hinkley"}
    assert {each.name: each.value for each in found}["dead-letters.unknown_currency"] == 0.494


def test_a_stream_that_grew_is_known_by_what_can_be_read_of_it() -> None:
    watch = QualityWatch(Limits())
    for _ in range(10):
        watch.findings(day({"payment": 1000}))
    assert watch.is_overfull(2000)
    watch.findings(day({"payment": 500, "unparsable": 1500}))
    assert watch.is_overfull(2000), "of bad records"
    watch.findings(day({"payment": 2000}))
    assert not watch.is_overfull(2500)


def test_a_feature_that_goes_missing_is_a_cause() -> None:
    rows = np.random.default_rng(0).gamma(2, 30, (400, 4))
    trained, holed = Totals(), Totals()
    trained.add(score_sketch(0, 0, rows))
    rows[:60, 0] = np.nan
    holed.add(score_sketch(1, 0, rows))
    assert not missing(trained, trained.histograms, ["amount"])[0].is_cause
    (found,) = missing(holed, trained.histograms, ["amount"])
    assert (found.value, found.limit, found.is_cause) == (0.15, 0.1, True)


CALM = {"payment": 990, "unparsable": 10}


def heard(sketches: Iterable[Sketch]) -> list[Signal]:
    monitor = Monitor(None, FEATURES)
    return [signal for sketch in sketches for signal in monitor.take(sketch)]


def test_raw_records_are_judged_by_their_own_days() -> None:
    spoilt = {"payment": 500, "unparsable": 500}
    signals = heard(ingest_sketch(day, day, spoilt if day == 12 else CALM) for day in range(14))
    (alarm,) = [each for each in signals if each.signal == "intake-quality" and each.severity == "warning"]
    assert (alarm.since, alarm.until, alarm.count) == (12 * DAY, 13 * DAY, 1000)


def test_raw_records_of_a_day_that_has_passed_count_in_the_open_one() -> None:
    calm = (ingest_sketch(day, day, CALM) for day in range(3))
    late = (ingest_sketch(0, number, CALM) for number in range(3, 6))
    signals = heard(itertools.chain(calm, late, [ingest_sketch(3, 6, CALM)]))
    told_of = [(each.since or 0) // DAY for each in signals if each.signal == "dead-letters"]
    assert told_of == [0, 1, 2]
    assert [each.count for each in signals if each.signal == "dead-letters"] == [1000, 1000, 4000]


def test_bad_records_raise_an_alarm_also_where_event_time_stands_still_because_of_them() -> None:
    calm = (ingest_sketch(day, day, CALM) for day in range(12))
    bad = (ingest_sketch(12, number, {"unparsable": 400}) for number in range(12, 20))
    signals = heard(itertools.chain(calm, bad))
    (alarm,) = [each for each in signals if each.signal == "intake-quality" and each.severity == "warning"]
    assert (alarm.since, alarm.count) == (12 * DAY, 2000)
