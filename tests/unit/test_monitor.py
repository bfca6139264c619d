"""The monitor: sketches in, signals out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from faust.auth import SASLCredentials

from services.monitor.app import application, credentials
from services.monitor.inputs import Histograms
from services.monitor.monitor import Monitor
from services.monitor.references import ModelReferences
from services.monitor.session import Session
from services.monitor.summaries import Overlaps, Sketch, Watermark
from shared import wire
from shared.models import ModelRecord
from shared.settings import Settings
from shared.signals import Signal
from shared.sketches import DAY
from shared.telemetry import Telemetry
from tests.unit.model_packages import manifest
from tests.unit.monitor_sketches import (
    FEATURES,
    HORIZON_DAYS,
    PARTITIONS,
    ROWS,
    SCORES,
    VERSION,
    days,
    label_sketch,
    payments,
    score_sketch,
)


class Trained:
    """The training histograms of one version."""

    def __init__(self) -> None:
        rows = payments(np.random.default_rng(0), 10_000)
        ends = np.cumsum(SCORES.sizes)[:-1]
        parts = np.split(SCORES.histograms(rows), ends)
        self._known = dict(zip(SCORES.names, parts, strict=True))

    def histograms(self, version: str | None) -> Histograms | None:
        return self._known if version == VERSION else None


def told(sketches: Iterator[Sketch], monitor: Monitor | None = None) -> list[Signal]:
    watch = monitor or Monitor(Trained(), FEATURES)
    return [signal for sketch in sketches for signal in watch.take(sketch)]


def raised(signals: list[Signal]) -> list[tuple[str, int]]:
    return [(each.signal, (each.since or 0) // DAY) for each in signals if each.severity == "alarm"]


def test_a_day_is_told_once_every_partition_has_passed_its_end() -> None:
    monitor = Monitor(Trained(), FEATURES)
    assert told(itertools.islice(days(0, 2), 3), monitor) == []  # the second partition is still in day 0
    (first,) = [each for each in told(days(1, 2), monitor) if each.signal == "psi.amount"][:1]
    assert (first.since, first.until, first.count) == (0, DAY, 2 * ROWS)
    assert (first.severity, first.model_version) == ("info", VERSION)


def test_a_calm_stream_raises_nothing() -> None:
    signals = told(days(0, 60))
    assert raised(signals) == []
    assert {each.severity for each in signals} == {"info"}


def test_a_shift_of_a_feature_is_an_alarm_on_its_first_day_raised_once_with_evidence() -> None:
    signals = told(itertools.chain(days(0, 9), days(10, 14, factor=2)))
    assert raised(signals) == [("input-drift", 10)]
    (alarm,) = [each for each in signals if each.severity == "alarm"]
    assert "psi.amount" in alarm.detail
    assert alarm.value is not None
    assert alarm.limit is not None
    assert alarm.value > alarm.limit
    assert alarm.event_time >= 11 * DAY
    warned = {each.signal for each in signals if each.severity == "warning"}
    assert {"psi.amount", "ks.amount"} <= warned <= {"psi.amount", "ks.amount", *means("amount")}


def means(feature: str) -> set[str]:
    return {f"mean.{feature}.{detector}" for detector in ("adwin", "page-hinkley")}


def test_an_alarm_is_cleared_after_two_calm_days_and_may_be_raised_again() -> None:
    stream = itertools.chain(days(0, 9), days(10, 11, 2), days(12, 16), days(17, 18, 2))
    signals = told(itertools.chain(stream, days(19, 20)))
    assert raised(signals) == [("input-drift", 10), ("input-drift", 17)]
    cleared = [each for each in signals if each.signal == "input-drift" and "cleared" in each.detail]
    assert [(each.until or 0) // DAY for each in cleared][:1] == [14]


def test_the_share_of_alerts_is_of_what_the_model_decided_itself() -> None:
    def canary(sketch: Sketch) -> Sketch:
        rows = payments(np.random.default_rng([sketch.day, sketch.partition]), ROWS)
        rows[: ROWS // 2, 3] = np.nan
        return score_sketch(sketch.day, sketch.partition, rows)

    signals = told(canary(each) if each.kind == "scores" else each for each in days(0, 8))
    rates = [each.value for each in signals if each.signal == "alert-rate"]
    own = payments(np.random.default_rng([0, 0]), ROWS), payments(np.random.default_rng([0, 1]), ROWS)
    assert rates[0] == np.mean([rows[ROWS // 2 :, 3] >= 2 for rows in own])


def test_a_feature_of_the_calendar_is_told_and_raises_nothing() -> None:
    def weekend(sketch: Sketch) -> Sketch:
        rows = np.zeros((ROWS, 4))
        rows[:, 0] = np.random.default_rng(5).gamma(2, 30, ROWS)
        return score_sketch(sketch.day, sketch.partition, rows)

    scores = (each for each in days(0, 5) if each.kind == "scores")
    signals = told(weekend(each) for each in scores)
    values = [each.value for each in signals if each.signal == "psi.weekend"]
    assert min(value or 0 for value in values) > 1
    assert "psi.weekend" not in {each.signal for each in signals if each.severity != "info"}


def test_frauds_that_are_missed_are_an_alarm_when_the_first_of_their_days_has_matured() -> None:
    signals = told(days(0, 40, missed=40))
    assert raised(signals) == [("performance-drift", 20)]
    (alarm,) = [each for each in signals if each.severity == "alarm"]
    assert alarm.is_mature
    assert alarm.event_time < (21 + HORIZON_DAYS + 2) * DAY


def test_performance_is_marked_immature_until_the_horizon_has_passed() -> None:
    signals = [each for each in told(days(0, 30)) if each.signal == "performance.auc"]
    mature = [each for each in signals if each.is_mature]
    assert mature
    for each in mature:
        assert each.event_time >= (each.until or 0) + HORIZON_DAYS * DAY
    for each in signals:
        assert each.is_mature is not None


def test_an_estimate_is_graded_when_its_days_have_matured() -> None:
    signals = told(days(0, 60))
    errors = [each.value for each in signals if each.signal == "estimate-error.auc"]
    assert len(errors) > 30
    assert max(abs(each or 0) for each in errors) < 0.05


def test_an_estimate_is_graded_by_the_payments_of_its_own_version() -> None:
    def promoted(sketch: Sketch) -> Sketch:
        if sketch.day >= 25:
            return msgspec.structs.replace(sketch, model_version="new")
        if sketch.kind == "scores":
            return sketch
        scores = payments(np.random.default_rng([sketch.day, sketch.partition]), ROWS)[:, 2]
        blind = np.random.default_rng(sketch.day).random(ROWS) < 0.05  # the old model tells nothing
        return label_sketch(sketch.day, sketch.partition, scores.tolist(), blind.tolist())

    signals = [each for each in told(map(promoted, days(0, 50))) if each.signal == "estimate-error.auc"]
    errors = [abs(each.value or 0) for each in signals if each.model_version == "new"]
    assert len(errors) > 10
    assert max(errors) < 0.1


def test_sketches_of_records_that_were_summarised_already_are_dropped() -> None:
    overlaps = Overlaps()
    rows = payments(np.random.default_rng(1), ROWS)
    first = score_sketch(1, 0, rows, first_offset=0, last_offset=9)
    over = score_sketch(1, 0, rows, first_offset=5, last_offset=14)
    after = score_sketch(1, 0, rows, first_offset=15, last_offset=20)
    other = score_sketch(1, 1, rows, first_offset=0, last_offset=9)
    assert [overlaps.accepts(each) for each in (first, first, over, after, other)] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert overlaps.dropped == 2


def test_a_partition_that_rests_holds_the_others_up_for_a_day_at_most() -> None:
    mark, rows = Watermark(), payments(np.random.default_rng(1), ROWS)
    mark.advance(score_sketch(1, 0, rows))
    mark.advance(score_sketch(1, 1, rows))
    mark.advance(score_sketch(2, 0, rows))
    assert mark.passed == 2 * DAY - 1
    mark.advance(score_sketch(3, 0, rows))
    assert mark.passed == 4 * DAY - 1


def framed(sketches: Iterator[Sketch]) -> list[bytes]:
    fields = Sketch.__struct_fields__
    return [wire.encode("sketches.v1", {name: getattr(each, name) for name in fields}) for each in sketches]


@pytest.mark.parametrize("stop", [1, 25, 61])
def test_a_session_that_ends_anywhere_goes_on_as_if_it_had_not(tmp_path: Path, stop: int) -> None:
    values = framed(days(0, 40, missed=20))
    calm = Session(tmp_path / "calm", Monitor(Trained(), FEATURES))
    expected = [signal for at, value in enumerate(values) for signal in calm.take(at, value)]
    first = Session(tmp_path / "state", Monitor(Trained(), FEATURES))
    found = [signal for at in range(stop) for signal in first.take(at, values[at])]
    first.save()
    lost = [signal for at in range(stop, stop + 3) for signal in first.take(at, values[at])]
    second = Session(tmp_path / "state", Monitor(Trained(), FEATURES))
    assert second.load()
    found += [signal for at, value in enumerate(values) for signal in second.take(at, value)]
    assert found == expected
    assert lost == [] or lost[0] in found


def test_an_alarm_that_was_raised_before_a_restart_shows_at_once(tmp_path: Path) -> None:
    first = Session(tmp_path / "state", Monitor(Trained(), FEATURES))
    told(itertools.chain(days(0, 9), days(10, 14, factor=2)), first.monitor)
    first.save()
    second, telemetry = Session(tmp_path / "state", Monitor(Trained(), FEATURES)), Telemetry("monitor")
    assert second.load()
    application(Settings(), second, telemetry)
    shown = {
        name: telemetry.registry.get_sample_value("millrace_monitor_alarm", {"alarm": name})
        for name in second.monitor.alarms
    }
    assert shown == {name: float(name == "input-drift") for name in second.monitor.alarms}


def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    file = tmp_path / "state"
    session = Session(file, Monitor(Trained(), FEATURES))
    assert not session.load()
    file.write_bytes(b"not a pickle")
    assert not session.load()
    assert session.following == 0


def test_a_record_that_is_no_sketch_is_counted_and_passed_over(tmp_path: Path) -> None:
    session = Session(tmp_path / "state", Monitor(Trained(), FEATURES))
    assert session.take(0, b"\0\0\0\0\1") == []
    values = framed(days(0, 0))
    for at, value in enumerate([*values, *values], start=1):
        session.take(at, value)
    taken = {("unknown", "refused"): 1, ("scores", "taken"): PARTITIONS, ("scores", "overlap"): PARTITIONS}
    assert session.count() == taken
    assert session.count() == {}


def test_references_come_from_the_manifests_of_published_models() -> None:
    class Feed:
        def __init__(self) -> None:
            content = manifest(version="a").to_bytes().decode()
            self.waiting = [record("a", content), record("a", ""), record("b", "{")]

        def catch_up(self) -> list[ModelRecord]:
            found, self.waiting = self.waiting, []
            return found

    references = ModelReferences(Feed())
    assert references.histograms(None) is None
    found = references.histograms("a")
    assert found is not None
    assert {name: each.tolist() for name, each in found.items()} == manifest().histograms
    assert references.histograms("b") is None


def record(version: str, content: str) -> ModelRecord:
    return ModelRecord(
        version=version, status="champion", event_time=0, who="t", reason="t", manifest=content
    )


def test_a_signal_is_a_record_of_its_topic() -> None:
    for signal in told(days(0, 12)):
        found = wire.decode(signal.to_bytes(), "monitoring.v1")
        assert (found["signal"], found["value"], found["since"]) == (
            signal.signal,
            signal.value,
            signal.since,
        )


def test_settings_of_librdkafka_become_credentials() -> None:
    kafka = {
        "bootstrap.servers": "one:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
    }
    found = credentials(Settings(kafka={**kafka, "sasl.username": "u", "sasl.password": "p"}))
    assert isinstance(found, SASLCredentials)
    assert (found.protocol.value, found.mechanism.value, found.username) == ("SASL_SSL", "SCRAM-SHA-512", "u")
    assert credentials(Settings()) is None
