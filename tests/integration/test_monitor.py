"""The monitor on real Kafka, as a process: a kill loses no signal, and it leaves when told to."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from deploy.local import processes
from deploy.local.variables import variables
from services.monitor.monitor import Monitor
from services.monitor.references import ModelReferences
from services.monitor.summaries import TOPIC, Sketch
from shared import wire
from shared.features import definitions
from shared.models import ModelFeed
from shared.settings import Settings
from shared.signals import TOPIC as SIGNALS
from shared.signals import Signal
from shared.stream.clients import producer, read_topic
from tests.integration.scoring_services import announce
from tests.unit.model_packages import manifest, package, record
from tests.unit.monitor_sketches import SCORES, VERSION, days, payments
from tests.waiting import wait_for

LEAVE_SECONDS = 10.0


def publish(settings: Settings) -> None:
    """Tell on the models topic what the model of the sketches was trained on."""
    counts = SCORES.histograms(payments(np.random.default_rng(0), 10_000))
    parts = np.split(counts, np.cumsum(SCORES.sizes)[:-1])
    trained = {name: part.tolist() for name, part in zip(SCORES.names, parts, strict=True)}
    told = manifest(version=VERSION, histograms={"amount": trained["amount"]})
    announce(settings, record(package(), version=VERSION, manifest=told.to_bytes().decode()))


def send(settings: Settings, sketches: Iterable[Sketch]) -> None:
    sender = producer(settings)
    for sketch in sketches:
        value = wire.encode(TOPIC, msgspec.structs.asdict(sketch))
        sender.produce(settings.topic(TOPIC), value, sketch.writer.encode(), partition=0)
    assert sender.flush(30) == 0


def expected(settings: Settings, sketches: Iterable[Sketch]) -> set[Signal]:
    feed = ModelFeed(settings)
    monitor = Monitor(ModelReferences(feed), definitions())
    found = {signal for sketch in sketches for signal in monitor.take(sketch)}
    feed.close()
    return found


def said(settings: Settings) -> list[Signal]:
    return [Signal.from_bytes(each.value() or b"") for each in read_topic(settings, SIGNALS)]


def start(settings: Settings, log: Path) -> processes.Child:
    words = [sys.executable, "-m", "services.monitor"]
    return processes.start(words, log, processes.environment(**variables(settings)))


def test_kills_lose_no_signal_and_it_leaves_in_time(settings: Settings, tmp_path: Path) -> None:
    publish(settings)
    stream = [*days(0, 19), *days(20, 29, factor=2)]
    first, second = stream[: len(stream) // 3], stream[: 2 * len(stream) // 3]
    due, log = expected(settings, stream), tmp_path / "monitor.log"
    assert {each.signal for each in due if each.severity == "alarm"} == {"input-drift"}
    state = settings.state_folder / "monitor" / "state-0.pickle"

    child = start(settings, log)
    send(settings, first)
    wait_for(state.exists, 30, "the state")
    send(settings, stream[len(first) : len(second)])
    wait_for(lambda: set(said(settings)) >= expected(settings, second), 30, "signals before the kill")
    processes.kill(child)

    child = start(settings, log)
    send(settings, stream[len(second) :])
    wait_for(lambda: set(said(settings)) >= due, 30, "all signals")
    assert processes.stop(child, LEAVE_SECONDS) == 0, log.read_text()

    assert set(said(settings)) == due
