"""Training and labels killed with -9 while a whole stack lives: `python -m tests.faults.lifecycle_live`.

A simulated stream is played at full speed; training refits by itself, versions move. Training and labels are
killed in turns after each event, and between events until it is often enough. Judged against one undisturbed
thread that takes the same examples: the same events at the same times, each once, the same data set and
online learner. The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
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
from services.replay.pipeline import GROUPS, TRAINING, Pipeline
from services.replay.player import Play, Player
from services.replay.sender import send_customers
from services.replay.simulator import Simulation
from services.training.loop import Service
from shared.models import ModelFeed, ModelRecord, events
from shared.settings import Settings
from shared.stream.clients import read_topic
from tests.bench.bounds import conclude
from tests.faults.lifecycle import bounds, saved, verdict
from tests.faults.lifecycle_story import MemoryFeed, MemoryLog, Told, in_memory
from tests.waiting import wait_for

SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "labels", "training")
VICTIMS = ("training", "labels")
KILLS = 20
CUSTOMERS, DAYS = 600, 84
"""Enough for a second champion, and the end of its predecessor."""
BETWEEN_SECONDS = 6.0
"""A kill falls at the latest so long after the one before it."""
SETTLED_SECONDS = 600.0


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("lifecycle_live", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    arguments, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        result = killed_live(Path(made), arguments.kills, arguments.days, arguments.seed)
    return conclude({**result, "seconds": round(time.monotonic() - began, 1)}, bounds(result))


def killed_live(place: Path, kills: int, days: int, seed: int) -> dict[str, Any]:
    """Play the stream, training and labels being killed; return the outcome, ready for JSON."""
    simulation = Simulation(
        customers=CUSTOMERS,
        terminals=2 * CUSTOMERS,
        days=days,
        seed=seed,
        compromised_terminals=2 * CUSTOMERS / 5000,
        compromised_customers=3 * CUSTOMERS / 5000,
    )
    settings = folder_settings(place / "killed")
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
        records = killer.records + killer.feed.poll(0.0)
    return {**verdict(log.records, service, records, stack.settings, timed), "killed": killer.fell}


@dataclass
class Killer:
    """Kills training and labels in turns: after each event, and when none comes."""

    stack: Stack
    kills: int
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
        last, seen = time.monotonic(), 0
        while len(self.fell) < self.kills or not self._ending.is_set():
            self.records += self.feed.poll(0.1)
            told = events(self.records)
            after = told[-1].status if told else "nothing"
            is_late = time.monotonic() - last > BETWEEN_SECONDS
            if len(self.fell) < self.kills and (len(told) > seen or is_late) and self._kill(after):
                last, seen = time.monotonic(), len(told)

    def _kill(self, after: str) -> bool:
        victim = VICTIMS[len(self.fell) % len(VICTIMS)]
        found = next(each for each in self.stack.supervisor.statuses() if each.service == victim)
        if found.pid is None or not found.is_ready:
            return False
        os.kill(found.pid, signal.SIGKILL)
        self.fell.append(f"{victim} after {after}")
        return True


def settle(settings: Settings) -> None:
    """Wait until no service has anything left to read."""
    pipeline = Pipeline(settings, {**GROUPS, **TRAINING})
    try:
        wait_for(lambda: pipeline.slowest() is None, SETTLED_SECONDS, "an end of what the services read")
    finally:
        pipeline.close()


def undisturbed(settings: Settings, place: Path) -> tuple[Service, MemoryLog]:
    """Return training as one thread did it from the same examples, and its log of models."""
    log, own = MemoryLog(), settings.model_copy(update={"model_url": str(place / "models")})
    examples, signals = MemoryFeed(waiting=told(settings, "examples.v1")), MemoryFeed(1)
    signals.waiting = deque(each for each in told(settings, "monitoring.v1") if b"scoring" in each.content)
    service = in_memory(own, place / "examples", examples, signals, log)
    service.start()
    while not examples.is_done or service.fitting is not None:
        service.step()
    return service, log


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
