"""Plays payments and their delayed labels into the raw topics, in the order of event time."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from services.replay.delayed import DelayedLabel, Delays, fraction
from services.replay.pace import STUCK_FITTING_SECONDS, ClosedLoop, Pace, Rate, RealTime
from services.replay.payments import Source
from services.replay.pipeline import GROUPS, TRAINING, Pipeline
from services.replay.records import FORMATS, LABELS, PAYMENTS
from services.replay.sender import Sender
from shared.settings import Settings

HOUR = 3_600_000_000
DAY = 24 * HOUR
MOST_ROWS = 2000
SLICES_PER_SECOND = 100
SAVE_SECONDS = 1.0


@dataclass(frozen=True)
class Play:
    """How a source is played.

    ``speed`` is "max" or a multiple of real time; ``rate``, where given, is payments a second instead.
    ``lag`` is `label_lag` in microseconds; ``repeat_share`` of the payments are sent twice. At full speed
    ``is_training_awaited`` holds them back for models too, not only for features.
    """

    speed: float | str = "max"
    rate: float | None = None
    lag: int = DAY
    delays: Delays = field(default_factory=Delays)
    form: str = "avro"
    repeat_share: float = 0.0
    is_resumed: bool = False
    is_training_awaited: bool = False


@dataclass
class Summary:
    """What was sent."""

    payments: int = 0
    repeats: int = 0
    labels: int = 0
    event_time: int | None = None
    seconds: float = 0.0

    def row(self) -> dict[str, Any]:
        """Return it as a row of output."""
        rate = self.payments / self.seconds if self.seconds else 0.0
        counts = {"payments": self.payments, "repeats": self.repeats, "labels": self.labels}
        return {**counts, "seconds": round(self.seconds, 2), "payments_per_second": round(rate)}


class Player:
    """Plays one source.

    Labels that are not due by the last payment stay in ``pending``: for `send_pending`, or another player.
    """

    def __init__(
        self, settings: Settings, play: Play, on_progress: Callable[[Summary], None] = lambda summary: None
    ) -> None:
        self._play, self._on_progress = play, on_progress
        self._write_payments, self._write_labels = FORMATS[play.form]
        self._sender = Sender(settings, (PAYMENTS, LABELS))
        self._pace = _pace(settings, play, self._sender)
        self._folder = settings.state_folder / "replay"
        self.pending: list[DelayedLabel] = []
        self.summary = Summary()

    def run(self, source: Source) -> Summary:
        """Send all payments, and the labels due by the last of them; return what was sent."""
        began = time.monotonic()
        file = self._folder / f"{source.name}.json"
        done = Done.load(file) if self._play.is_resumed else Done()
        save_due = began
        try:
            for part in _parts(source, self._rows()):
                done = self._part(part, done)
                self.summary.seconds = time.monotonic() - began
                self._on_progress(self.summary)
                if time.monotonic() >= save_due:
                    save_due = time.monotonic() + SAVE_SECONDS
                    self._sender.flush()
                    done.save(file)
            self._sender.flush()
            done.save(file)
        finally:
            self._pace.close()
        return self.summary

    def send_pending(self) -> None:
        """Send the labels that are still due, in the order of their times."""
        self._send_labels(None)
        self._sender.flush()

    def _part(self, part: pl.DataFrame, done: Done) -> Done:
        first, last = part["event_time"][0], part["event_time"][-1]
        for label in self._play.delays.labels(part):
            if label.label_time > done.event_time:
                heapq.heappush(self.pending, label)
        if done.skip >= part.height:
            return Done(done.payments, done.event_time, done.skip - part.height)
        rest = part[done.skip :]
        self._send_labels(last)
        self._pace.wait(first, last, rest.height)
        self._send_payments(rest)
        self.summary.event_time = last
        return Done(done.payments + rest.height, last)

    def _send_payments(self, part: pl.DataFrame) -> None:
        records = self._write_payments(part)
        self.summary.payments += len(records)
        share = self._play.repeat_share
        if share:
            names = zip(records, part["transaction_id"].to_list(), strict=True)
            again = [record for record, name in names if fraction("sent twice", name) < share]
            self.summary.repeats += len(again)
            records += again
        self._sender.send(PAYMENTS, records)

    def _send_labels(self, until: int | None) -> None:
        due = []
        while self.pending and (until is None or self.pending[0].label_time <= until):
            due.append(heapq.heappop(self.pending))
        self.summary.labels += len(due)
        self._sender.send(LABELS, self._write_labels(due))

    def _rows(self) -> int:
        if self._play.rate is None:
            return MOST_ROWS
        return max(1, int(self._play.rate / SLICES_PER_SECOND))


@dataclass(frozen=True)
class Done:
    """How much of a source is durable: payments, and labels by event time; ``skip`` is still to pass over."""

    payments: int = 0
    event_time: int = 0
    skip: int = 0

    @classmethod
    def load(cls, file: Path) -> Done:
        """Return what a file says; nothing where there is none."""
        if not file.exists():
            return cls()
        content = json.loads(file.read_text())
        return cls(content["payments"], content["event_time"], content["payments"])

    def save(self, file: Path) -> None:
        """Write it, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_suffix(".tmp")
        made.write_text(json.dumps({"payments": self.payments, "event_time": self.event_time}))
        made.replace(file)


def _pace(settings: Settings, play: Play, sender: Sender) -> Pace:
    if play.rate is not None:
        return Rate(play.rate)
    if play.speed == "max":
        if play.is_training_awaited:
            pipeline = Pipeline(settings, {**GROUPS, **TRAINING})
            return ClosedLoop(pipeline, play.lag, sender.flush, STUCK_FITTING_SECONDS)
        return ClosedLoop(Pipeline(settings), play.lag, sender.flush)
    return RealTime(float(play.speed))


def _parts(source: Source, rows: int) -> Iterator[pl.DataFrame]:
    """Yield frames of at most ``rows`` payments within one hour of event time."""
    for frame in source.frames():
        hours = frame["event_time"] // HOUR
        starts = [0, *(hours.diff().fill_null(0) != 0).arg_true().to_list(), frame.height]
        for start, end in pairwise(starts):
            yield from frame[start:end].iter_slices(rows)
