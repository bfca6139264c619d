"""A simulated stream through the live services on a Kafka of its own, training and monitor among them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from deploy.local.kafka import Kafka
from deploy.local.stack import Stack, folder_settings
from services.cli.demo.story import Days, await_quiet
from services.cli.run import SERVICES
from services.replay.pipeline import GROUPS
from services.replay.player import Play, Player, Summary
from services.replay.sender import send_customers
from services.replay.simulator import Simulation
from services.training.versions import Versions
from shared import wire
from shared.features import definitions
from shared.models import Model, ModelRecord
from shared.settings import Settings
from shared.signals import TOPIC as SIGNALS
from shared.sketches import DAY
from shared.stream.clients import read_topic
from tests.accuracy import served
from tests.accuracy.run import environment
from tests.drift.kinds import DELAYS, HISTORY_DAYS

BEFORE = tuple(name for name in SERVICES if name not in ("alerts", "monitor", "training"))
LIVE = tuple(name for name in SERVICES if name != "alerts")
COMMIT_MS = 50  # a replay waits for commits
LAG = DAY // 8
"""Between the newest payment sent and the slowest service. With a day partitions drift so far apart that half
of a day's records are counted on the next."""
AWAITED = {**GROUPS, "monitor": ("sketches.v1",)}
COLUMNS = ("transaction_id", "event_time", "customer_id", "score", "model_version", *served.BLOCKS)
TOLD_DAYS = 10


@dataclass(frozen=True, slots=True)
class Observed:
    """What a stream left in the topics."""

    rows: pl.DataFrame
    """One a payment by event time: ids, event_time, score, model_version, is_fraud as simulated."""
    features: npt.NDArray[np.float32]
    signals: list[dict[str, Any]]
    events: list[ModelRecord]
    models: dict[str, Model]
    """By version, those that were champion."""


def observed(name: str, simulation: Simulation) -> Observed:
    """Play a stream at full speed, labels following, and return what the services made of it.

    The first days are history, from which a model is trained by hand; then all is left to the services.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = folder_settings(Path(folder))
        stream = settings.stream.model_copy(update={"commit_ms": COMMIT_MS})
        settings = settings.model_copy(update={"stream": stream})
        tell = _teller(name, simulation)
        with Stack(Path(folder), BEFORE, settings) as stack:
            send_customers(stack.settings, simulation.population().to_dicts())
            history = Player(stack.settings, Play(delays=DELAYS), tell)
            history.run(Days(simulation, 0, HISTORY_DAYS))
            await_quiet(stack.settings, GROUPS)
            _train(stack.settings)
        kafka = Kafka(Path(folder) / "kafka", lasting=True)
        with Stack(Path(folder), LIVE, settings, kafka=kafka) as stack:
            live = Player(stack.settings, Play(lag=LAG, delays=DELAYS, is_training_awaited=True), tell)
            live.pending = history.pending
            live.run(Days(simulation, HISTORY_DAYS, simulation.days))
            await_quiet(stack.settings, AWAITED)
            return _read(stack.settings, simulation)


def _train(settings: Settings) -> None:
    command = [sys.executable, "-m", "services.cli.main", "train", "--publish", "champion"]
    done = subprocess.run(command, env=environment(settings), stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise AssertionError(f"millrace train ended with exit code {done.returncode}")


def _read(settings: Settings, simulation: Simulation) -> Observed:
    frames = [
        wire.decode_columns(values, COLUMNS).select(
            "transaction_id",
            pl.col("event_time").cast(pl.Int64),
            "customer_id",
            "score",
            "model_version",
            features=pl.concat_list(served.BLOCKS),
        )
        for values in served.accepted(settings, "scores.v1")
    ]
    known = pl.concat(simulation.frames()).select("transaction_id", is_fraud=pl.col("label") == "fraud")
    scored = pl.concat(frames)
    rows = scored.join(known, on="transaction_id").sort("event_time", "transaction_id")
    if rows.height != known.height:
        raise AssertionError(f"{rows.height} of {known.height} payments were scored")
    versions = Versions.read(settings)
    events = versions.history()
    champions = {each.version for each in events if each.status == "champion"}
    return Observed(
        rows.drop("features"),
        wire.feature_matrix(rows, "features"),
        [wire.decode(each.value() or b"", SIGNALS) for each in read_topic(settings, SIGNALS)],
        events,
        {version: versions.load(version, definitions()) for version in champions},
    )


def _teller(name: str, simulation: Simulation) -> Callable[[Summary], None]:
    told = 0

    def tell(summary: Summary) -> None:
        nonlocal told
        day = ((summary.event_time or simulation.start) - simulation.start) // DAY
        if day // TOLD_DAYS > told:
            told = day // TOLD_DAYS
            print(f"drift: {name}, day {day} after {summary.seconds:.0f} s", file=sys.stderr, flush=True)

    return tell
