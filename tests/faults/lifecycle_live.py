"""Training, monitor and labels killed with -9 while all live: `python -m tests.faults.lifecycle_live`.

A simulated stream is played at full speed; training refits by itself, versions move. Each of the three is
killed in each state that versions come to, and between. Judged against one undisturbed thread that takes the
same examples and sketches: the same events at the same times, each once, the same data set and online
learner, the same signals of the monitor. No alarm asks for a refit: when it is heard among the examples is a
matter of arrival, of which the topics tell nothing. The last line of stdout is one JSON object; the exit code
is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack, folder_settings
from services.monitor.monitor import Monitor
from services.monitor.references import ModelReferences
from services.monitor.session import Session
from services.replay.pipeline import GROUPS, TRAINING, Pipeline
from services.replay.player import Play, Player
from services.replay.sender import send_customers
from services.replay.simulator import Simulation
from services.training.loop import Service
from services.training.schedule import ALARMS_OF, SERVICE
from shared.features import definitions
from shared.models import ModelFeed, ModelRecord, events
from shared.settings import Settings
from shared.signals import Signal
from shared.stream.clients import read_topic
from tests.bench.bounds import conclude, most
from tests.faults.lifecycle import NEVER, bounds, saved, verdict
from tests.faults.lifecycle_story import MemoryFeed, MemoryLog, Told, in_memory
from tests.waiting import wait_for

SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "labels", "monitor", "training")
VICTIMS = ("training", "monitor", "labels")
MONITOR = {"monitor": ("sketches.v1",)}
SIGNALS = ("signals_lost", "signals_unknown")
KILLS = 20
CUSTOMERS, DAYS = 600, 84
"""Enough for a second champion, and the end of its predecessor."""
BETWEEN_SECONDS = 20.0
"""A kill falls at the latest so long after the one before it: a refit is sometimes cut short."""
SETTLED_SECONDS = 600.0


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("lifecycle_live", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="at least (%(default)s)")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    arguments, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        result = killed_live(Path(made), arguments.kills, arguments.days, arguments.seed)
    held = [*bounds(result), *(most(name.replace("_", " "), result[name], 0) for name in SIGNALS)]
    return conclude({**result, "seconds": round(time.monotonic() - began, 1)}, held)


def killed_live(place: Path, kills: int, days: int, seed: int) -> dict[str, Any]:
    """Play the stream, the victims being killed; return the outcome, ready for JSON."""
    simulation = Simulation(
        customers=CUSTOMERS,
        terminals=2 * CUSTOMERS,
        days=days,
        seed=seed,
        compromised_terminals=2 * CUSTOMERS / 5000,
        compromised_customers=3 * CUSTOMERS / 5000,
    )
    settings = folder_settings(place / "killed")
    unalarmed = settings.training.model_copy(update={"alarm_gap_days": NEVER})
    settings = settings.model_copy(update={"training": unalarmed})
    with Stack(place / "killed", services=SERVICES, settings=settings) as stack:
        killer = Killer(stack, kills)
        killer.start()
        send_customers(stack.settings, simulation.population().to_dicts())
        player = Player(stack.settings, Play(is_training_awaited=True))
        player.run(simulation)
        player.send_pending()
        killer.finish()
        settle(stack.settings)
        service, log = undisturbed(stack.settings, place / "undisturbed")
        reached = service.dataset.state.reached
        wait_for(lambda: saved(stack.settings) == reached, SETTLED_SECONDS, "the data set to be saved")
        records = killer.records + killer.feed.catch_up()
        heard = signals(stack.settings, place / "monitor.pickle")
    return {**verdict(log.records, service, records, stack.settings, timed), **heard, "killed": killer.fell}


@dataclass
class Killer:
    """Kills each of the victims once in each state, the newest event being of that status, and between.

    Training comes first: while it is away no version moves, and the others fall in that state too.
    """

    stack: Stack
    kills: int
    """At least."""
    fell: list[str] = field(default_factory=list)
    """Whom it killed, and after what."""
    records: list[ModelRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.feed = ModelFeed(self.stack.settings)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Return when it has killed often enough."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while len(self.fell) < self.kills or not self._ending.is_set():
            self.records += self.feed.poll(0.1)
            told = events(self.records)
            after = told[-1].status if told else "nothing"
            is_late = self._ending.is_set() or time.monotonic() - last > BETWEEN_SECONDS
            victim = self._next(after, is_late)
            if victim is not None and self._kill(victim):
                last = time.monotonic()
                self.fell.append(f"{victim} after {after}")

    def _next(self, after: str, is_late: bool) -> str | None:
        spared = [each for each in VICTIMS if f"{each} after {after}" not in self.fell]
        if is_late:
            spared.append(VICTIMS[len(self.fell) % len(VICTIMS)])
        return next(iter(spared), None)

    def _kill(self, victim: str) -> bool:
        found = next(each for each in self.stack.supervisor.statuses() if each.service == victim)
        if found.pid is None or not found.is_ready:
            return False
        os.kill(found.pid, signal.SIGKILL)
        return True


def settle(settings: Settings) -> None:
    """Wait until no service has anything left to read."""
    pipeline = Pipeline(settings, {**GROUPS, **TRAINING, **MONITOR})
    try:
        wait_for(lambda: pipeline.slowest() is None, SETTLED_SECONDS, "an end of what the services read")
    finally:
        pipeline.close()


def undisturbed(settings: Settings, place: Path) -> tuple[Service, MemoryLog]:
    """Return training as one thread did it from the same examples, and its log of models."""
    log, own = MemoryLog(), settings.model_copy(update={"model_url": str(place / "models")})
    examples, signals = MemoryFeed(waiting=told(settings, "examples.v1")), MemoryFeed(1)
    signals.waiting = deque(
        each for each in told(settings, "monitoring.v1") if speaker(each.content) != SERVICE
    )
    service = in_memory(own, place / "examples", examples, signals, log)
    service.start()
    while not examples.is_done or service.fitting is not None:
        service.step()
    return service, log


def signals(settings: Settings, place: Path) -> dict[str, int]:
    """Return what is wrong with the monitor's signals beside those of one thread that took the sketches.

    A signal may come twice.
    """
    feed = ModelFeed(settings)
    session = Session(place, Monitor(ModelReferences(feed), definitions()))
    due = {
        each.to_bytes()
        for sketch in read_topic(settings, "sketches.v1")
        for each in session.take(sketch.offset() or 0, sketch.value() or b"")
    }
    feed.close()
    values = [each.content for each in told(settings, "monitoring.v1")]
    said = {value for value in values if speaker(value) == ALARMS_OF}
    return {"signals": len(due), "signals_lost": len(due - said), "signals_unknown": len(said - due)}


def speaker(value: bytes) -> str:
    """Return the service that a signal is of."""
    return Signal.from_bytes(value).service


def told(settings: Settings, topic: str) -> deque[Told]:
    """Return the records of a topic, those of all partitions in turns."""
    found = [
        Told(int(each.partition() or 0), int(each.offset() or 0), each.value() or b"")
        for each in read_topic(settings, topic)
    ]
    return deque(sorted(found, key=lambda each: (each.number, each.at)))


def timed(record: ModelRecord) -> tuple[object, ...]:
    """Return what must be the same of an event: figures of health depend on when it was asked for."""
    return record.sequence, record.version, record.status, record.event_time, record.who


if __name__ == "__main__":
    sys.exit(main())
