"""A story of model versions, planted in what training reads, and one undisturbed thread that lives it.

Versions are scored well or badly by what the story says, so that each comes to another end: a first champion,
a successor by way of shadow and canary, worse ones that are rejected or taken back, one that fails.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from services.training.dataset import Dataset, Origin
from services.training.feed import MOST_RECORDS
from services.training.health import BESIDE, FAILED, Beside
from services.training.loop import Feeds, Rules, Service
from services.training.online import Learner
from services.training.order import SLACK_LAGS, Merge
from services.training.reports import Reports
from services.training.split import DAY
from shared import wire
from shared.features import definitions
from shared.models import Manifest, ModelRecord, Move, Standing, standing
from shared.models.appending import Decide, append
from shared.policy import GuardsPolicy, RolloutPolicy
from shared.settings import Settings
from shared.signals import Signal
from shared.telemetry import Telemetry

EPOCH = 17_000 * DAY
PARTITIONS = 4
DAILY, FRAUDS = 120, 60
"""Payments a day, and the frauds among them: one day is evidence enough."""
KNOWN_AFTER = 8
"""Days until the label of a payment counts."""
A_WHILE = 1000
"""Seconds from one look at the clock to the next: whatever can be saved is."""
BAD, FAILING, REJECTED = {"c", "e"}, {"d"}, {"f"}
OTHERS = "operator"

Decided = Callable[[Standing], ModelRecord]


def published(version: str, day: int) -> Decided:
    """Return the publication of a version by training."""
    features = definitions()
    manifest = Manifest(
        version=version,
        kind="linear",
        family="logistic",
        created_at=EPOCH + day * DAY,
        as_of=EPOCH + day * DAY,
        features=list(features.names),
        features_version=features.version,
        medians=[None] * len(features.names),
        histograms={},
        genuine_rate=1.0,
        rows=0,
        frauds=0,
        training_set="",
        metrics={},
        libraries={},
        author="",
    )
    record = ModelRecord(
        version=version,
        status="published",
        event_time=EPOCH + day * DAY,
        who="training",
        reason="schedule",
        numbers=msgspec.json.encode({"is_accepted": version not in REJECTED}).decode(),
        manifest=manifest.to_bytes().decode(),
    )
    return lambda stands: record


def by_hand(version: str, status: Any) -> Decided:
    """Return a move that a person makes."""
    return lambda stands: Move(version, status, "by hand").record(OTHERS, stands.event_time)


STORY: Mapping[int, Sequence[Decided]] = {
    10: [published("b", 10)],
    31: [published("c", 31)],
    41: [published("f", 41), published("d", 41)],
    47: [published("e", 47), by_hand("e", "champion")],
    53: [by_hand("", "frozen"), published("g", 53)],
    59: [by_hand("", "thawed")],
}
"""What others write into the log of models, by the day of event time that training has come to."""
BEGIN = published("a", 0)
END = 61


@dataclass(frozen=True, slots=True)
class Told:
    """A record with its place."""

    at: int
    number: int
    content: bytes

    def partition(self) -> int:
        """Return the partition."""
        return self.at

    def offset(self) -> int:
        """Return the offset."""
        return self.number

    def value(self) -> bytes:
        """Return the bytes."""
        return self.content


def signals() -> list[Signal]:
    """Return what scoring tells of the versions."""
    beside = msgspec.json.encode(Beside(5000, 0.05, 50, 50)).decode()
    well = [Signal(BESIDE, EPOCH, "info", "scoring", model_version=each, detail=beside) for each in "bcdefg"]
    failed = [Signal(FAILED, EPOCH, "alarm", "scoring", model_version=each, detail="") for each in FAILING]
    return [*well, *failed]


def examples(day: int, pair: tuple[str | None, str | None]) -> list[bytes]:
    """Return a day's payments, labelled, as the pair scored them."""
    draw, features = np.random.default_rng(day), definitions()
    widths = [len(each.names) for each in features.entities]
    found = []
    for number in range(DAILY):
        is_fraud, at = number % 2 == 0 and number < 2 * FRAUDS, EPOCH + day * DAY + number * DAY // DAILY
        row = draw.random(len(features.names), np.float32) + is_fraud * (np.arange(len(features.names)) == 0)
        scores = [_score(version, is_fraud, draw) for version in pair]
        found.append(
            wire.encode(
                "examples.v1",
                {
                    "source": bytes(12),
                    "transaction_id": f"p{day}-{number}",
                    "event_time": at,
                    "accepted_at": at,
                    "customer_id": f"c{number % 37}",
                    "terminal_id": f"m{number % 53}",
                    "amount": 100,
                    "currency": "EUR",
                    "amount_base": 100,
                    "channel": "unknown",
                    "customer_features": row[: widths[0]].tolist(),
                    "customer_features_version": features.version,
                    "terminal_features": row[widths[0] :].tolist(),
                    "terminal_features_version": features.version,
                    "score": scores[0],
                    "decision": "approve",
                    "model_version": pair[0],
                    "challenger_score": scores[1],
                    "challenger_version": pair[1],
                    "policy_version": 1,
                    "label": "fraud" if is_fraud else "genuine",
                    "label_time": at + (KNOWN_AFTER - 1) * DAY,
                    "label_origin": "chargeback" if is_fraud else "implied",
                    "label_rank": int(is_fraud),
                },
            )
        )
    return found


def _score(version: str | None, is_fraud: bool, draw: np.random.Generator) -> float | None:
    chance = float(draw.random())
    if version is None:
        return None
    return chance if version in BAD else 0.8 * is_fraud + 0.2 * chance


class MemoryLog:
    """The log of models without a broker."""

    def __init__(self) -> None:
        self.records: list[ModelRecord] = []
        self._seen = 0
        self._standing = Standing()

    def catch_up(self) -> list[ModelRecord]:
        """Return the records since the last call."""
        fresh, self._seen = self.records[self._seen :], len(self.records)
        return fresh

    def write(self, record: ModelRecord) -> None:
        """Append a record."""
        self.records.append(record)

    def standing(self) -> Standing:
        """Return what stands."""
        self._standing = standing(self.catch_up(), self._standing)
        return self._standing

    def append(self, decide: Decide) -> ModelRecord | None:
        """Append the event that is wanted."""
        self._standing, appended = append(self, self._standing, decide)
        return appended

    def close(self) -> None:
        """Do nothing."""


@dataclass
class MemoryFeed:
    """A topic without a broker."""

    partitions: int = PARTITIONS
    waiting: deque[Told] = field(default_factory=deque)
    lag: int = 0
    is_done: bool = False
    """Whether all that was read is done with."""

    @property
    def at_end(self) -> set[int]:
        """Partitions that are read to their end."""
        return set() if self.waiting else set(range(self.partitions))

    def poll(self, seconds: float) -> list[Told]:
        """Return what was added, at most a part at once."""
        return [self.waiting.popleft() for _ in range(min(len(self.waiting), MOST_RECORDS))]

    def commit(self, clocks: Mapping[int, int]) -> None:
        """See that it is done."""
        self.is_done = not self.waiting

    def close(self) -> None:
        """Do nothing."""


class MemoryReports(Reports):
    """Keeps the signals that training would write."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(Telemetry("training"), settings)
        self.signals: list[Signal] = []

    def signal(self, signal: Signal) -> None:
        """Keep a signal."""
        self.signals.append(signal)


def in_memory(
    settings: Settings, place: Path, examples: MemoryFeed, signals: MemoryFeed, log: MemoryLog
) -> Service:
    """Return a training service without a broker."""
    features = definitions()
    dataset = Dataset.open(place, settings.training.kept_days, Origin("", 0, features.names, ""))
    return Service(
        settings,
        features,
        Feeds(examples, signals, log),  # type: ignore[arg-type]
        dataset,
        MemoryReports(settings),
        Merge(PARTITIONS, SLACK_LAGS * features.label_lag),
        Learner.of(features),
        Rules(RolloutPolicy.load(), GuardsPolicy.load()),
        clock=itertools.count(0, A_WHILE).__next__,
    )


class Undisturbed:
    """The training service in one thread, without a broker, through the whole story."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        told = deque(Told(0, number, each.to_bytes()) for number, each in enumerate(signals()))
        self.log, self.feed = MemoryLog(), MemoryFeed()
        self.written: list[tuple[int, int, list[bytes]]] = []
        """Day of event time, partition, values: in the order in which they were written."""
        self.service = in_memory(settings, folder, self.feed, MemoryFeed(1, told), self.log)
        self._offsets = [0] * PARTITIONS

    @property
    def signals(self) -> list[Signal]:
        """What training told."""
        reports = self.service.reports
        assert isinstance(reports, MemoryReports)
        return reports.signals

    def live(self) -> None:
        """Live through the story."""
        self.log.append(BEGIN)
        self.service.start()
        pairs = dict.fromkeys(range(KNOWN_AFTER + 1), ("a", None))
        for day in range(KNOWN_AFTER, END + 1):
            self._tell(day, examples(day - KNOWN_AFTER, pairs[day - KNOWN_AFTER]))
            for decided in STORY.get(day, ()):
                self.log.append(decided)
            pairs[day + 1] = _pair(self.log.standing())

    def _tell(self, day: int, values: Sequence[bytes]) -> None:
        for partition in range(PARTITIONS):
            mine = list(values[partition::PARTITIONS])
            self.written.append((day, partition, mine))
            for value in mine:
                self.feed.waiting.append(Told(partition, self._offsets[partition], value))
                self._offsets[partition] += 1
        self.feed.is_done = False
        while not self.feed.is_done:
            self.service.step()


def days(
    written: Sequence[tuple[int, int, list[bytes]]],
) -> Iterator[tuple[list[tuple[int, list[bytes]]], int]]:
    """Yield what to write on each day, and the day.

    Whoever writes more than a day at once gets ahead of training, which holds a partition back by no more
    than `label_lag` for others that seem to have ended: a replay does not do it either.
    """
    for day, found in groupby(written, lambda each: each[0]):
        yield [(partition, values) for _, partition, values in found], day


def _pair(stands: Standing) -> tuple[str | None, str | None]:
    champion, challenger = stands.champion, stands.challenger
    return (champion.version if champion else None, challenger.version if challenger else None)
