"""Sketches in, signals out: a value of the sketches in their order, with no clock and no client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np

from services.monitor.categories import CategoryWatch
from services.monitor.estimation import calibrated, estimated
from services.monitor.findings import Family, Finding, Said, Window, signal
from services.monitor.inputs import Histograms, InputWatch
from services.monitor.labelled import ArrivalWatch, ErrorWatch, by_label, performance
from services.monitor.limits import Limits
from services.monitor.quality import QualityWatch, missing
from services.monitor.scores import ScoreWatch
from services.monitor.summaries import Days, Overlaps, Sketch, Totals, Watermark
from shared.features import FeatureSet
from shared.features.definitions import KINDS
from shared.policy import AlarmsPolicy
from shared.signals import Severity, Signal
from shared.sketches import DAY

ALARMS: dict[str, Severity] = {
    "input-drift": "alarm",
    "score-drift": "alarm",
    "missed-frauds": "alarm",
    "performance-drift": "alarm",
    "intake-quality": "warning",  # no new model mends bad records
    "missing-values": "warning",
    "new-categories": "warning",
}
WINDOW_DAYS = 7  # over which performance is told: one of each weekday
CALIBRATION_DAYS = 28  # matured days from which the meaning of a score is learnt
CALENDAR_KINDS = ("weekend",)

Estimate = tuple[str, dict[str, float | None]]
"""The version whose payments were looked at, and what was expected of them."""


class References(Protocol):
    """What models were trained on."""

    def histograms(self, version: str | None) -> Histograms | None:
        """Return the training histograms of a version; None where it is not known."""
        ...


@dataclass(slots=True)
class Monitor:
    """All that is watched, from the sketches of scoring and labels."""

    references: References | None
    features: FeatureSet
    limits: Limits = field(default_factory=Limits)
    budgets: AlarmsPolicy = field(default_factory=AlarmsPolicy.load)
    overlaps: Overlaps = field(default_factory=Overlaps)
    _scores: Days = field(default_factory=Days)
    _labels: Days = field(default_factory=Days)
    _watermark: Watermark = field(default_factory=Watermark)
    _label_watermark: Watermark = field(default_factory=Watermark)
    _closed: int | None = None
    _matured: int | None = None
    _estimates: dict[int, Estimate] = field(default_factory=dict)
    _families: dict[str, Family] = field(default_factory=dict)
    _inputs: InputWatch = field(init=False)
    _score_watch: ScoreWatch = field(init=False)
    _errors: ErrorWatch = field(init=False)
    _arrivals: ArrivalWatch = field(init=False)
    _quality: QualityWatch = field(init=False)
    _categories: CategoryWatch = field(init=False)
    _intake: Days = field(default_factory=Days)
    _intake_watermark: Watermark = field(default_factory=Watermark)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        kinds = {each.name: each.kind for entity in self.features.entities for each in entity.features}
        moving = [name for name, kind in kinds.items() if is_behaviour(kind)]
        self._inputs = InputWatch(self.features.names, moving, self.limits)
        self._score_watch, self._errors = ScoreWatch(self.limits), ErrorWatch(self.limits)
        self._arrivals, self._quality = ArrivalWatch(self.limits), QualityWatch(self.limits)
        self._categories = CategoryWatch(self.limits)
        self._families = {name: Family(name, severity) for name, severity in ALARMS.items()}

    @property
    def alarms(self) -> dict[str, bool]:
        """Which alarms are raised; one that was lowered to a warning is not."""
        return {name: family.alarm.is_raised for name, family in self._families.items()}

    def take(self, sketch: Sketch) -> list[Signal]:
        """Take a sketch; return what it lets be said: most say nothing, the one that ends a day much."""
        if not self.overlaps.accepts(sketch):
            return []
        if sketch.kind == "labels":
            self._labels.add(sketch)
            if sketch.topic == "labels.v1":
                self._arrivals.take(sketch)
            if sketch.topic == "scores.v1":  # what matures by the horizon, day after day
                self._label_watermark.advance(sketch)
            return self._mature()
        if sketch.kind == "ingest":
            self._intake_watermark.advance(sketch)
            at = max(sketch.last_event_time, self._intake_watermark.passed)  # late ones count in the open day
            sketch = msgspec.structs.replace(sketch, last_event_time=at)
            self._intake.add(sketch)
            return self._taken_in(sketch.day)
        self._scores.add(sketch)
        self._watermark.advance(sketch)
        return [*self._close(), *self._mature()]

    def _close(self) -> list[Signal]:
        result = []
        end = self._watermark.passed // DAY
        for day in self._scores.until(end):
            if self._closed is None or day > self._closed:
                self._closed = day
                result += self._ended(day)
        return result

    def _ended(self, day: int) -> list[Signal]:
        by_version, whole = self._scores.of(day), self._scores.whole(day)
        version = max(by_version, key=lambda each: by_version[each].count)
        said = self._said(day, day, whole, version)
        trained = self.references.histograms(version) if self.references else None
        holes = missing(whole, trained, self._inputs.watched)
        result = self._judged("missing-values", holes, said)
        result += self._judged("input-drift", self._inputs.findings(whole, version, trained), said)
        if version is not None:
            scored = self._score_watch.findings(by_version[version], version)
            result += self._judged("score-drift", scored, said)
            result += self._judged("missed-frauds", self._arrivals.findings(whole.count), said)
            result += self._estimated(day, version)
        return [*result, *self._performance(day, is_mature=False)]

    def _judged(self, family: str, findings: Sequence[Finding], said: Said) -> list[Signal]:
        return self._families[family].signals(findings, said, self.budgets.budget(family))

    def _taken_in(self, open_day: int) -> list[Signal]:
        """Tell of the days of raw records that ended, and of an open one that holds too many to be one.

        Event time stands still where no record can be read, and such a day would not end.
        """
        days = list(self._intake.until(self._intake_watermark.passed // DAY))
        if self._quality.is_overfull(self._intake.whole(open_day).count):
            days.append(open_day)
        result = []
        for day in days:
            raw = self._intake.take(day)
            window = Window(day * DAY, (day + 1) * DAY, raw.count)
            said = Said(self._intake_watermark.newest, None, window)
            result += self._judged("intake-quality", self._quality.findings(raw), said)
            result += self._judged("new-categories", self._categories.findings(day, raw), said)
        return result

    def _estimated(self, day: int, version: str) -> list[Signal]:
        scores = _window([self._scores.of(each).get(version) for each in _days(day, WINDOW_DAYS)])
        if scores.count == 0 or "score" not in scores.histograms:
            return []
        matured = self._matured if self._matured is not None else -1
        known = _window([self._labels.of(each).get(version) for each in _days(matured, CALIBRATION_DAYS)])
        genuine, frauds = by_label(known, "score") if known.count else (np.zeros(1), np.zeros(1))
        found = estimated(scores.defined("score").astype(np.float64), calibrated(genuine, frauds))
        self._estimates[day] = version, found
        said = self._said(day - WINDOW_DAYS + 1, day, scores, version)
        return [signal(Finding(f"estimate.{name}", value), said) for name, value in found.items()]

    def _performance(self, day: int, is_mature: bool) -> list[Signal]:
        labels = _window([self._labels.whole(each) for each in _days(day, WINDOW_DAYS)])
        said = self._said(day - WINDOW_DAYS + 1, day, labels, None)
        return [signal(each, said) for each in performance(labels, is_mature)]

    def _mature(self) -> list[Signal]:
        waited = self.features.horizon + self.features.label_lag
        result = []
        for day in self._labels.until(self._newest_day()):
            end = (day + 1) * DAY
            is_said = self._label_watermark.passed >= end or self._watermark.passed >= end + waited + DAY
            is_known = self._matured is not None and day <= self._matured
            if not is_known and self._watermark.passed >= end + waited and is_said:
                self._matured = day
                result += self._known(day)
        return result

    def _known(self, day: int) -> list[Signal]:
        labels = self._labels.whole(day)
        said = self._said(day, day, labels, None)
        result = self._judged("performance-drift", self._errors.findings(labels), said)
        result += [*self._performance(day, is_mature=True), *self._graded(day)]
        self._forget(day)
        return result

    def _graded(self, day: int) -> list[Signal]:
        """Hold an estimate against the labels of the payments that it was made of: one version's."""
        if day not in self._estimates:
            return []
        version, expected = self._estimates.pop(day)
        labels = _window([self._labels.of(each).get(version) for each in _days(day, WINDOW_DAYS)])
        said = self._said(day - WINDOW_DAYS + 1, day, labels, version)
        seen = {each.name: each.value for each in performance(labels, is_mature=True)}
        result = []
        for name, value in expected.items():
            true = seen.get(f"performance.{name}")
            if value is not None and true is not None:
                finding = Finding(f"estimate-error.{name}", value - true, is_mature=True)
                result.append(signal(finding, said))
        return result

    def _forget(self, matured: int) -> None:
        self._labels.forget(matured - CALIBRATION_DAYS)
        self._scores.forget(matured - WINDOW_DAYS)
        self.overlaps.forget(matured - CALIBRATION_DAYS)

    def _newest_day(self) -> int:
        return self._watermark.newest // DAY

    def _said(self, first: int, last: int, totals: Totals, version: str | None) -> Said:
        window = Window(first * DAY, (last + 1) * DAY, totals.count)
        return Said(self._watermark.newest, version, window)


def is_behaviour(kind: str) -> bool:
    """Return whether a kind of feature is made of payments alone, not of the date or of labels."""
    return kind not in CALENDAR_KINDS and "outcomes" not in KINDS[kind].needs


def _days(last: int, number: int) -> range:
    return range(last - number + 1, last + 1)


def _window(parts: Sequence[Totals | None]) -> Totals:
    result = Totals()
    for each in parts:
        if each is not None:
            result.merge(each)
    return result
