"""Training killed with -9 in each state that a model version comes to: `python -m tests.faults.lifecycle`.

Judged against one undisturbed thread that took the same records without Kafka: the same events with the same
figures, each once; never two champions; the same data set; the same online learner; the same card precision
told once. The last line of stdout is one JSON object; the exit code is 1 when a bound is missed, and stderr
names it.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from deploy.local import processes
from deploy.local.kafka import Kafka
from deploy.local.stack import NOT_INHERITED, ONE_THREAD, folder_settings
from deploy.local.variables import variables
from services.replay.pipeline import TRAINING, Pipeline
from services.training.__main__ import folder
from services.training.dataset import DATA, Dataset
from services.training.failure import TrainingError
from services.training.loop import Service
from services.training.online import Learner
from services.training.schedule import CP100
from shared.features import definitions
from shared.models import ModelFeed, ModelLog, ModelRecord, events, standing
from shared.settings import Settings
from shared.signals import Signal
from shared.stream import topics
from shared.stream.clients import producer, read_topic
from tests.bench.bounds import Bound, conclude, most
from tests.faults.lifecycle_story import BEGIN, STORY, Undisturbed, days, signals
from tests.waiting import wait_for

KILLS = 20
CAUGHT_UP_SECONDS = 120.0
LONGEST_WAIT = 3.0
"""Seconds after a start within which a kill at no particular moment falls."""
NEVER = 10_000.0
"""Days between refits: the models of the story are planted."""
Reached = Mapping[int, tuple[int, int]]
"""Next offset and clock by partition."""
WAYS = ("lost", "doubled", "most_champions", "rows_different", "learner_different")


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("lifecycle", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=1)
    arguments, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as made, Kafka(Path(made) / "kafka") as kafka:
        settings = folder_settings(Path(made) / "killed")
        settings = settings.model_copy(update={"kafka": {"bootstrap.servers": kafka.bootstrap}})
        topics.apply(settings)
        result = killed_throughout(settings, Path(made) / "undisturbed", arguments.kills, arguments.seed)
    held = [*bounds(result), most("measurements different", result["measurements_different"], 0)]
    return conclude({**result, "seconds": round(time.monotonic() - began, 1)}, held)


def bounds(result: dict[str, Any]) -> list[Bound]:
    """Return what must hold."""
    limits = {**dict.fromkeys(WAYS, 0), "most_champions": 1}
    return [most(name.replace("_", " "), result[name], limit) for name, limit in limits.items()]


def killed_throughout(settings: Settings, place: Path, kills: int, seed: int) -> dict[str, Any]:
    """Live through the story, training being killed so many times; return the outcome, ready for JSON.

    First after events, of each status before of any a second time, then at moments drawn from the seed.

    Parameters
    ----------
    settings
        Of a broker with empty topics.
    place
        A folder for the undisturbed thread.
    """
    settings = planting(settings)
    undisturbed = Undisturbed(settings, place)
    undisturbed.live()
    victim = Victim(settings, chosen(undisturbed.log.records, kills), random.Random(seed))
    try:
        victim.live(undisturbed, kills)
    finally:
        victim.child.kill()
        victim.child.wait()
    found = verdict(undisturbed.log.records, undisturbed.service, victim.records, settings, whole)
    due = Counter(each.to_bytes() for each in undisturbed.signals if each.signal == CP100)
    told = measurements(settings)
    different = (due - told).total() + (told - due).total()
    measured = {"measurements": told.total(), "measurements_different": different}
    return {"kills": len(victim.kills), "killed_after": victim.kills, **found, **measured}


def planting(settings: Settings) -> Settings:
    """Return settings under which training fits nothing itself, and saves often."""
    training = settings.training.model_copy(update={"refit_days": NEVER, "flush_seconds": 0.05})
    return settings.model_copy(update={"training": training})


def chosen(expected: Sequence[ModelRecord], kills: int) -> set[int]:
    """Return the numbers of the events after which training is killed: of all statuses alike."""
    seen: Counter[str] = Counter()
    ranked = []
    for record in expected:
        seen[record.status] += 1
        ranked.append((seen[record.status], record.who != "training", record.sequence))
    return {sequence for *_, sequence in sorted(ranked)[:kills]}


@dataclass
class Victim:
    """A training service in a process of its own that is killed again and again."""

    settings: Settings
    after: set[int]
    """Numbers of events after which it is killed."""
    draw: random.Random
    kills: list[str] = field(default_factory=list)
    """When it was killed."""
    records: list[ModelRecord] = field(default_factory=list)
    child: processes.Child = field(init=False)

    def __post_init__(self) -> None:
        self._log, self._feed = ModelLog(self.settings), ModelFeed(self.settings)
        self._pipeline = Pipeline(self.settings, TRAINING)
        self._sender = producer(self.settings)
        self._killed: set[int] = set()

    def live(self, undisturbed: Undisturbed, kills: int) -> None:
        """Live through the story."""
        for signal in signals():
            self._sender.produce(self.settings.topic("monitoring.v1"), signal.to_bytes(), partition=0)
        self._sender.flush()
        self._log.append(BEGIN)
        self._start()
        for part, day in days(undisturbed.written):
            self._tell(part)
            self._await()
            for decided in STORY.get(day, ()):
                self._log.append(decided)
        while len(self.kills) < kills:
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(self.draw.uniform(0, LONGEST_WAIT))
            self._kill("at no particular moment")
        self._await(undisturbed.service.dataset.state.reached)
        self._log.close()
        self._feed.close()
        self._pipeline.close()

    def _tell(self, part: Sequence[tuple[int, list[bytes]]]) -> None:
        topic = self.settings.topic("examples.v1")
        for partition, values in part:
            for value in values:
                self._sender.produce(topic, value, partition=partition)
        self._sender.flush()

    def _await(self, reached: Reached | None = None) -> None:
        """Wait until training is done with all that was written, and has saved it where that is asked."""

        def is_done() -> bool:
            self._look()
            if self.child.poll() is not None:
                ended = f"training ended with code {self.child.returncode}"
                raise AssertionError(f"{ended}: {processes.tail(self._output)}")
            is_saved = reached is None or saved(self.settings) == reached
            return is_saved and self._pipeline.slowest() is None

        wait_for(is_done, CAUGHT_UP_SECONDS, "training was done with what was written")

    def _look(self) -> None:
        self.records += self._feed.poll(0.0)
        for record in events(self.records):
            if record.sequence in self.after - self._killed:
                self._killed.add(record.sequence)
                self._kill(f"{record.version or 'all'} {record.status}")

    def _kill(self, when: str) -> None:
        self.child.kill()
        self.child.wait()
        self.kills.append(when)
        self._start()

    def _start(self) -> None:
        inherited = {k: v for k, v in processes.environment().items() if not k.startswith(NOT_INHERITED)}
        environment = {**inherited, **ONE_THREAD, **variables(self.settings)}
        command = [sys.executable, "-m", "services.training"]
        self.child = processes.start(command, self._output, environment)

    @property
    def _output(self) -> Path:
        return self.settings.state_folder / "training.log"


def verdict(
    expected: Sequence[ModelRecord],
    undisturbed: Service,
    records: Sequence[ModelRecord],
    settings: Settings,
    fact: Callable[[ModelRecord], object],
) -> dict[str, Any]:
    """Return what is wrong with the records of the killed one and with what it keeps."""
    other = Dataset.read(folder(settings))
    learner = Learner.of(definitions(), other.attachment)
    return {
        **of_events(expected, records, fact),
        "rows_different": len(rows(undisturbed.dataset) ^ rows(other)),
        "learner_different": int(knowledge(learner) != knowledge(undisturbed.learner)),
        "learnt": learner.learnt,
    }


def of_events(
    expected: Sequence[ModelRecord], records: Sequence[ModelRecord], fact: Callable[[ModelRecord], object]
) -> dict[str, Any]:
    """Return what is wrong with records beside the events that are expected."""
    found = events(records)
    due, made = Counter(map(fact, expected)), Counter(map(fact, found))
    champions = [len(standing(records[:end]).at("champion")) for end in range(len(records) + 1)]
    return {
        "events": [f"{each.version} {each.status}" for each in found],
        "records_passed_over": len(records) - len(found),
        "lost": (due - made).total(),
        "doubled": (made - due).total(),
        "most_champions": max(champions),
    }


def measurements(settings: Settings) -> Counter[bytes]:
    """Return the signals of card precision that the topic holds, and how often each was told."""
    values = (each.value() or b"" for each in read_topic(settings, "monitoring.v1"))
    return Counter(value for value in values if Signal.from_bytes(value).signal == CP100)


def saved(settings: Settings) -> Reached:
    """Return how far the data set on disk is."""
    try:
        return Dataset.read(folder(settings)).state.reached
    except TrainingError:
        return {}


def whole(record: ModelRecord) -> tuple[object, ...]:
    """Return what must be the same of an event."""
    return record.sequence, record.version, record.status, record.event_time, record.who, record.numbers


def rows(dataset: Dataset) -> set[int]:
    """Return a hash of each row of a data set."""
    files = sorted(dataset.folder.rglob(DATA))
    return {each for file in files for each in pl.read_parquet(file, hive_partitioning=False).hash_rows()}


def knowledge(learner: Learner) -> object:
    """Return all that a learner knows, in a form that compares."""
    models = [learner.model, *(learner.mornings[day] for day in sorted(learner.mornings))]
    regressions = [model["LogisticRegression"] for model in models]
    return learner.learnt, learner.day, [(each.weights, each.intercept) for each in regressions]


if __name__ == "__main__":
    sys.exit(main())
