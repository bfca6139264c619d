"""Days in fast motion, never a day ahead of the slowest service, models and all that is told of them."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from services.cli.demo.view import View
from services.cli.demo.watch import Watch
from services.replay.delayed import DelayedLabel
from services.replay.player import Play, Player
from services.replay.simulator import Simulation
from services.training.split import DAY
from shared.models import ModelFeed, ModelLog, ModelRecord, Standing, events
from shared.settings import Settings
from shared.signals import Signal

LAG = DAY

IsOver = Callable[[], bool]


def never() -> bool:
    """Return False."""
    return False


@dataclass
class Chronicle:
    """What happens to models, and alarms, each told once as it comes."""

    settings: Settings
    view: View
    watch: Watch
    start: int
    """Event time of day 0, microseconds."""
    records: list[ModelRecord] = field(default_factory=list)
    alarms: list[Signal] = field(default_factory=list)
    log: ModelLog = field(init=False)
    _feed: ModelFeed = field(init=False)

    def __post_init__(self) -> None:
        """Begin to read."""
        self.log, self._feed = ModelLog(self.settings), ModelFeed(self.settings)

    def look(self) -> Standing:
        """Tell what is new; return where the versions stand."""
        told = len(self.events)
        self.records += self._feed.catch_up()
        for each in self.events[told:]:
            what = each.version or "all versions"
            self.view.say(f"  day {self.day(each.event_time):5.1f}: {what} {each.status}: {each.reason}")
        fresh = self.watch.seen.alarms[len(self.alarms) :]
        for alarm in fresh:
            self.view.say(f"  day {self.day(alarm.event_time):5.1f}: alarm {alarm.signal}: {alarm.detail}")
        self.alarms += fresh
        return self.log.standing()

    @property
    def events(self) -> list[ModelRecord]:
        """The events that count."""
        return events(self.records)

    def day(self, time: int) -> float:
        """Return an event time in days of the story."""
        return (time - self.start) / DAY

    def event_rows(self) -> list[dict[str, Any]]:
        """Return the events in the life of the models, in their order."""
        return [
            {
                "day": round(self.day(each.event_time), 2),
                "version": each.version,
                "status": each.status,
                "who": each.who,
                "reason": each.reason,
                "numbers": json.loads(each.numbers or "{}"),
            }
            for each in self.events
        ]

    def alarm_rows(self) -> list[dict[str, Any]]:
        """Return the alarms, in their order."""
        return [
            {"day": round(self.day(each.event_time), 2), "signal": each.signal, "detail": each.detail}
            for each in self.alarms
        ]

    def close(self) -> None:
        """Leave the broker."""
        self.log.close()
        self._feed.close()


@dataclass
class Until:
    """Days of a simulation, until it is over."""

    simulation: Simulation
    day: int
    """The next one."""
    end: int
    is_over: IsOver

    @property
    def name(self) -> str:
        """Name for progress files."""
        return f"demo-{self.day}"

    def total(self) -> int | None:
        """Return None: payments are drawn as they are sent."""
        return None

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the payments of each day."""
        while self.day < self.end and not self.is_over():
            self.day += 1
            yield self.simulation.day(self.day - 1)


@dataclass
class Loop:
    """Plays days at full speed, with the labels that come due."""

    simulation: Simulation
    chronicle: Chronicle
    day: int = 0
    """The next one."""
    pending: list[DelayedLabel] = field(default_factory=list)

    def play(self, title: str, days: int, is_over: IsOver = never) -> bool:
        """Play so many days, or fewer as soon as it is over; return whether it is."""
        chronicle = self.chronicle
        play = Play(lag=LAG, is_training_awaited=True)
        player = Player(
            chronicle.settings, play, lambda summary: chronicle.view.draw(title, chronicle.watch.seen)
        )
        player.pending = self.pending

        def is_over_now() -> bool:
            chronicle.look()
            return is_over()

        source = Until(self.simulation, self.day, self.day + days, is_over_now)
        player.run(source)
        self.pending, self.day = player.pending, source.day
        return is_over_now()

    def end(self) -> None:
        """Send the labels that are still due."""
        player = Player(self.chronicle.settings, Play(speed=1.0))
        player.pending = self.pending
        player.send_pending()

    def add(self, labels: list[DelayedLabel]) -> None:
        """Add labels to those that come due."""
        for each in labels:
            heapq.heappush(self.pending, each)

    def midnight(self, day: int) -> int:
        """Return when a day begins, event time in microseconds."""
        return self.simulation.start + day * DAY

    @property
    def standing(self) -> Standing:
        """Where the versions stand."""
        return self.chronicle.log.standing()

    @property
    def champion(self) -> str:
        """The version that acts; empty without one."""
        found = self.standing.champion
        return found.version if found else ""
