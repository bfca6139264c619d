"""The training service at work: takes examples in, has models fitted when that is due, publishes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec
import polars as pl

from services.training.dataset import Dataset
from services.training.feed import Feed
from services.training.fitting import Before, Fitting
from services.training.health import Healths
from services.training.online import Learner
from services.training.order import Merge
from services.training.publish import publication
from services.training.refit import MANIFEST, MODEL, Outcome
from services.training.register import is_fresh
from services.training.reports import Reports
from services.training.rollout import publication_numbers
from services.training.rows import example_rows
from services.training.schedule import REFUSED, SERVICE, Calendar, Due, Past, due
from services.training.served import card_precision_served
from services.training.split import DAY
from services.training.steering import Steering, believed, matured, newest_floods
from shared.features import FeatureSet
from shared.models import Manifest, ModelLog
from shared.policy import GuardsPolicy, RolloutPolicy
from shared.settings import Settings
from shared.signals import Signal

WAIT_SECONDS = 0.2
MOST_ROWS = 20_000
"""Rows after which they are taken in at once: a few seconds of learning."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """The topics that are followed."""

    examples: Feed
    signals: Feed
    models: ModelLog


class Rules(NamedTuple):
    """What the policy says of moves and of labels."""

    rollout: RolloutPolicy
    guards: GuardsPolicy


@dataclass(slots=True)
class Service:
    """Everything that it knows follows from the topics; its folder only saves the time of reading them.

    While a model is fitted nothing is read or committed: which refit comes next depends on what comes of
    this one, and each sees the data set as of its own time, however far ahead the log is. A replay that waits
    for training waits for it.
    """

    settings: Settings
    features: FeatureSet
    feeds: Feeds
    dataset: Dataset
    reports: Reports
    merge: Merge
    learner: Learner
    rules: Rules
    past: Past = field(default_factory=Past)
    healths: Healths = field(default_factory=Healths)
    newest: Manifest | None = None
    """Of the model made as of the latest time."""
    fitting: Fitting | None = None
    clock: Callable[[], float] = time.monotonic
    _flush_due: float = 0.0
    _turned: int = 0

    def start(self) -> None:
        """Hear all that the topics have told of refits before, so that none is made twice."""
        while not self.feeds.signals.at_end:
            self._hear()
        self._look()

    def step(self) -> None:
        """Take in what came up to the next midnight or refit, or see how far a refit is."""
        self._hear()
        if self.fitting is not None:
            self._watch(self.fitting)
        else:
            self._take_in()
        self.reports.lag(self.feeds.examples.lag)

    def stop(self) -> None:
        """End a refit that is on its way, and leave."""
        if self.fitting is not None:
            self.fitting.stop()
        for feed in (self.feeds.examples, self.feeds.signals, self.feeds.models):
            feed.close()

    def _hear(self) -> None:
        signals = [Signal.from_bytes(each.value() or b"") for each in self.feeds.signals.poll(0.0)]
        self.past, self.healths = self.past.heard(signals), self.healths.heard(signals)
        self.reports.heard(signals)

    def _look(self) -> None:
        """See which models there are."""
        for version in self.feeds.models.standing().versions.values():
            manifest = msgspec.json.decode(version.published.manifest, type=Manifest)
            self.past = self.past.made(as_of(manifest))
            if self.newest is None or as_of(manifest) > as_of(self.newest):
                self.newest = manifest

    def _read(self) -> None:
        messages = self.feeds.examples.poll(WAIT_SECONDS)
        if not messages:
            return
        places = [(int(each.partition() or 0), int(each.offset() or 0)) for each in messages]
        values = [each.value() or b"" for each in messages]
        rows = example_rows(values, places, self.features, self.settings.secret("dataset"))
        self.reports.read(len(messages), len(messages) - rows.height)
        self.merge.add(rows)

    def _take_in(self) -> None:
        wanted, midnight = self._wanted(), self._midnight
        stop = midnight if wanted is None else min(midnight, wanted.as_of)
        limit = self.merge.limit(self.feeds.examples.at_end)
        if limit is None or limit < stop:
            self._read()
            self._flush(stop)
            return
        self._commit(max(stop, self._merged))
        self._look()
        if midnight == stop:
            self._turn(midnight)
        if wanted is not None and wanted.as_of == stop:
            self._start(wanted._replace(as_of=max(stop, self._merged)))

    def _flush(self, stop: int) -> None:
        limit, now = self.merge.limit(self.feeds.examples.at_end), self.clock()
        if limit is not None and limit >= stop:
            return
        self.feeds.examples.commit(self.merge.clocks)
        if limit is None:
            return
        if now >= self._flush_due or self.merge.waiting >= MOST_ROWS:
            self._commit(max(limit, self._merged))
            self._flush_due = now + self.settings.training.flush_seconds

    def _turn(self, midnight: int) -> None:
        """Tell of label floods and of card precision, and move models, by what counts at a midnight.

        No later row is in the data set then. So a day whose turn was cut short is turned again after a
        start, and comes to the same.
        """
        rollout, guards = self.rules
        rows, floods = believed(self.dataset, rollout, guards, midnight)
        for flood in newest_floods(floods, midnight, self.features.label_lag):
            self.reports.flood(flood, midnight)
        self._measure(rows, midnight)
        steering = Steering(rows, self.healths, self.features, rollout, midnight)
        for record in steering.steer(self.feeds.models):
            self.reports.moved(record)
        self._turned = midnight

    def _measure(self, rows: pl.DataFrame, midnight: int) -> None:
        """Tell of card precision, unless the topic holds it: a data set that is made anew passes over it."""
        if self.past.measured is not None and midnight <= self.past.measured:
            return
        found = card_precision_served(rows, matured(midnight, self.features), midnight)
        if found is not None:
            self.reports.signal(found)

    @property
    def _midnight(self) -> int:
        """The next midnight (UTC) of event time at which models may move."""
        reached = self._merged or self.merge.first or 0
        return max(self._turned, reached // DAY * DAY) + DAY

    def _wanted(self) -> Due | None:
        """Return the next refit: examples are taken in up to it."""
        began = self.dataset.state.began
        return due(replace(self.past, first=began if began is not None else self.merge.first), self.calendar)

    def _commit(self, until: int) -> None:
        rows = self.merge.take(until)
        if not rows.height:
            return
        standing = self.dataset.standing(rows.drop("at"))
        fresh = is_fresh(standing, rows)
        rows = rows.with_columns(self.learner.take(rows, fresh, self.rules.guards))
        self.dataset.commit(standing, rows, self.merge.reached, self.learner.to_bytes())
        self.reports.taken(rows.height, int(fresh.sum()), self._merged)

    def _start(self, wanted: Due) -> None:
        champion = self.feeds.models.standing().champion
        before = Before(self.newest, champion.published if champion else None)
        self.fitting = Fitting.start(self.dataset.folder, wanted, self.settings, before)
        self.reports.started(wanted)

    def _watch(self, fitting: Fitting) -> None:
        for step in fitting.progress():
            self.reports.step(step)
        outcome = fitting.outcome(WAIT_SECONDS)
        if outcome is None:
            return
        self.fitting = None
        quality = fitting.quality()
        if quality is not None:
            self.reports.quality(quality)
        if outcome.version is None:
            self._refuse(outcome)
        else:
            self._publish(fitting, outcome)

    def _publish(self, fitting: Fitting, outcome: Outcome) -> None:
        manifest = msgspec.json.decode((fitting.out / MANIFEST).read_bytes(), type=Manifest)
        verdicts = fitting.verdicts()
        self.reports.judged(verdicts, manifest.version, outcome.as_of)
        model = (fitting.out / MODEL).read_bytes()
        record = msgspec.structs.replace(
            publication(manifest, model, self.settings, fitting.parts()),
            event_time=outcome.as_of,
            who=SERVICE,
            reason=fitting.due.why,
            numbers=publication_numbers(verdicts, fitting.due.why == "alarm"),
        )
        self.feeds.models.append(lambda stands: None if record.version in stands.versions else record)
        self._look()
        self.reports.published(manifest, outcome)

    def _refuse(self, outcome: Outcome) -> None:
        signal = Signal(REFUSED, outcome.as_of, "warning", SERVICE, detail=outcome.reason)
        self.reports.signal(signal)
        self.reports.refused(outcome)
        self.past = self.past.heard([signal])

    @property
    def calendar(self) -> Calendar:
        """When refits are due."""
        return Calendar.of(self.settings.training)

    @property
    def _merged(self) -> int:
        return max((each.clock for each in self.merge.reached.values()), default=0)


def as_of(manifest: Manifest) -> int:
    """Return the event time as of which a model was made."""
    return manifest.as_of or manifest.created_at
