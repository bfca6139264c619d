"""A simulated history through the live services, models published onto it, and what came of them."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec
import polars as pl

from deploy.local.ports import HOST
from deploy.local.stack import Stack
from services.cli.demo.story import Days, await_quiet
from services.replay.delayed import DelayedLabel
from services.replay.pipeline import GROUPS, TRAINING
from services.replay.player import Play, Player
from services.replay.sender import send_customers
from services.replay.simulator import Simulation
from services.training import refit
from services.training.__main__ import folder
from services.training.dataset import Dataset
from services.training.gates.verdict import Verdict
from services.training.publish import moved, publication
from services.training.reports import Reports
from services.training.rollout import publication_numbers
from services.training.split import DAY
from shared import wire
from shared.models import Manifest, ModelLog, ModelRecord, Move, Refusal, Standing
from shared.telemetry import Telemetry
from tests.accuracy import served
from tests.accuracy.run import ROOT, environment
from tests.waiting import wait_for

SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "labels", "training")
DAYS = 58  # a refit's windows, and the days until the newest label is known
BY_HAND = ("train", "--family", "logistic", "--sample", "0.2", "--publish", "champion")
WHO = "gates"
TAKEN_SECONDS, REFUSED_SECONDS = 60.0, 30.0
MOST_DAYS = 4  # until a midnight comes to training


class World:
    """Services that a history of payments and labels goes through by days; at first no model moves."""

    def __init__(self, stack: Stack, simulation: Simulation) -> None:
        self.settings = stack.settings
        self.log = ModelLog(stack.settings)
        self.days = 0
        self._supervisor, self._simulation = stack.supervisor, simulation
        self._pending: list[DelayedLabel] = []
        self._reports = Reports(Telemetry(WHO), stack.settings)
        send_customers(stack.settings, simulation.population().to_dicts())
        self._move(Move("", "frozen", "the history is played"))

    def play(self, days: int) -> int:
        """Play so many more days with the labels due, training following; return the number of payments."""
        player = Player(self.settings, Play(is_training_awaited=True))
        player.pending = self._pending
        found = player.run(Days(self._simulation, self.days, self.days + days))
        self._pending, self.days = player.pending, self.days + days
        await_quiet(self.settings, {**GROUPS, **TRAINING})
        return found.payments

    def train(self) -> None:
        """Train a champion by hand, a modest one, by the command."""
        command = [sys.executable, "-m", "services.cli.main", *BY_HAND]
        subprocess.run(command, env=environment(self.settings), cwd=ROOT, check=True, stdout=sys.stderr)

    def thaw(self) -> None:
        """Let models move from the next midnight on."""
        self._move(Move("", "thawed", "all candidates are published"))

    @property
    def as_of(self) -> int:
        """The last midnight before which all that counts is known, event time in microseconds."""
        return self._simulation.start + (self.days - 1) * DAY

    def dataset(self) -> Path:
        """Return the folder of training's data set, once it holds all that counts by ``as_of``."""
        where = folder(self.settings)

        def is_taken() -> bool:
            reached = Dataset.read(where).reached.values()
            return bool(reached) and min(each.clock for each in reached) >= self.as_of

        wait_for(is_taken, TAKEN_SECONDS, "the data set up to the last midnight")
        return where

    def standing(self) -> Standing:
        """Return where the versions stand."""
        return self.log.standing()

    def publish(self, made: Path, as_of: int) -> str:
        """Publish a judged candidate with its verdicts as the service does; return its version."""
        manifest, verdicts = manifest_of(made), verdicts_of(made)
        self._reports.judged(verdicts, manifest.version, as_of)
        parts = {file.name: file.read_bytes() for file in (made / refit.PARTS).iterdir()}
        record = msgspec.structs.replace(
            publication(manifest, (made / refit.MODEL).read_bytes(), self.settings, parts),
            event_time=as_of,
            who=WHO,
            reason=made.name,
            numbers=publication_numbers(verdicts, is_urgent=False),
        )
        self.log.append(lambda stands: record)
        return manifest.version

    def force(self, record: ModelRecord) -> None:
        """Make a version the champion by hand, whatever its package."""
        self.log.append(lambda stands: record)
        self._move(Move(record.version, "champion", "forced by hand"))

    def take_back(self, version: str) -> None:
        """Roll a champion back by hand."""
        self._move(Move(version, "rolled_back", "refused by the services"))

    def play_until_taken_back(self, version: str) -> int:
        """Play days until training has taken a champion back; return the number of payments."""
        payments = 0
        for _ in range(MOST_DAYS):
            payments += self.play(1)
            if self.standing().status(version) == "rolled_back":
                return payments
        raise AssertionError(f"{version}, which scoring refuses, is champion after {MOST_DAYS} days")

    def refusals(self, reason: Refusal) -> float:
        """Return how many packages scoring refused for a reason, by its metrics."""
        url = f"http://{HOST}:{self._supervisor.port('scoring')}/metrics"
        with urllib.request.urlopen(url, timeout=REFUSED_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        wanted = f'millrace_models_refused_total{{reason="{reason.value}"}} '
        return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))

    def await_refusal(self, reason: Refusal, before: float) -> None:
        """Return once scoring has counted one more refusal."""
        wait_for(lambda: self.refusals(reason) > before, REFUSED_SECONDS, f"a refusal as {reason}")

    def scores(self) -> pl.DataFrame:
        """Return event_time, score, model_version and challenger_version of every scored payment."""
        columns = ("event_time", "score", "model_version", "challenger_version")
        frames = [wire.decode_columns(each, columns) for each in served.accepted(self.settings, "scores.v1")]
        return pl.concat(frames).with_columns(pl.col("event_time").cast(pl.Int64))

    def _move(self, move: Move) -> None:
        self.log.append(lambda stands: moved(stands, move, WHO))


def manifest_of(made: Path) -> Manifest:
    """Return the manifest in a candidate's folder."""
    return msgspec.json.decode((made / refit.MANIFEST).read_bytes(), type=Manifest)


def verdicts_of(made: Path) -> list[Verdict]:
    """Return the verdicts in a candidate's folder."""
    return msgspec.json.decode((made / refit.VERDICTS).read_bytes(), type=list[Verdict])


def unsigned(made: Path, world: World) -> ModelRecord:
    """Return the publication of a candidate without its signature."""
    record = _published(made, world, "unsigned")
    return msgspec.structs.replace(record, signature=b"", signer="")


def tampered(made: Path, world: World) -> ModelRecord:
    """Return the publication of a candidate of which a bit was changed in the store."""
    record = _published(made, world, "tampered")
    file = Path(world.settings.model_url) / record.package
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    return record


def as_it_is(made: Path, world: World) -> ModelRecord:
    """Return the publication of a candidate."""
    return _published(made, world, "")


def _published(made: Path, world: World, suffix: str) -> ModelRecord:
    manifest = manifest_of(made)
    named = msgspec.structs.replace(manifest, version="-".join(filter(None, (manifest.version, suffix))))
    return publication(named, (made / refit.MODEL).read_bytes(), world.settings)
