"""What the demo tells: history, a model from it, live scoring, and the sum of it all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from deploy.local.stack import Stack, folder_settings
from services.cli.demo import accounts
from services.cli.demo.poison import poison
from services.cli.demo.view import View
from services.cli.demo.watch import Watch
from services.cli.run import SERVICES
from services.replay.pipeline import GROUPS, Pipeline
from services.replay.player import Play, Player, Summary
from services.replay.sender import Sender, send_customers
from services.replay.simulator import Simulation
from services.training.evaluate import evaluated, matured
from services.training.examples import read_examples
from services.training.publish import manifest_of, publish
from services.training.recipe import Recipe
from services.training.train import newest, tried
from shared.features import definitions
from shared.settings import Settings
from shared.stream.clients import DependencyError

RECIPE = Recipe(days=21, delay_days=7, test_days=7)
REPEAT_SHARE = 0.005
SLICES_PER_BAD_RECORD = 50
TERMINALS_PER_CUSTOMER = 2
DRAWN_AGAIN_SECONDS = 0.25
QUIET_SECONDS = 60.0
ALL_GROUPS = {**GROUPS, "alerts": ("scores.v1",)}
COMMIT_MS = 50  # the demo waits for commits at full speed; the default spares the broker


@dataclass(frozen=True)
class Plot:
    """How long and how fast."""

    history_days: int
    live_days: int
    rate: float
    customers: int
    seed: int

    def simulation(self) -> Simulation:
        """Return all days; frauds as often, by payment, as among the Handbook's 5,000 customers."""
        share = self.customers / 5000
        return Simulation(
            customers=self.customers,
            terminals=self.customers * TERMINALS_PER_CUSTOMER,
            days=self.history_days + self.live_days,
            seed=self.seed,
            compromised_terminals=2 * share,
            compromised_customers=3 * share,
        )


@dataclass(frozen=True)
class Days:
    """Some days of a simulation."""

    simulation: Simulation
    first: int
    end: int

    @property
    def name(self) -> str:
        """Name for progress files."""
        return f"demo-{self.first}"

    def total(self) -> int | None:
        """Return None: payments are drawn as they are sent."""
        return None

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the payments of each day."""
        for day in range(self.first, self.end):
            yield self.simulation.day(day)


def tell(plot: Plot, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Run it all; return the results, and a sentence for each thing that is amiss."""
    began = time.monotonic()
    view = View()
    try:
        view.say(f"starting Kafka, Redis and {len(SERVICES)} services")
        with _stack(folder) as stack:
            settings, simulation = stack.settings, plot.simulation()
            send_customers(settings, simulation.population().to_dicts())
            history = _play_history(view, settings, Days(simulation, 0, plot.history_days))
            version = _train(view, settings)
            live = Days(simulation, plot.history_days, simulation.days)
            watch = _play_live(view, settings, live, plot.rate, history)
            view.say("adding up")
            result, amiss = accounts.settle(stack)
            result |= {"ap": _average_precision(settings, version), "model_version": version}
            result |= {"latency_p50_ms": watch.seen.latency(0.5), "latency_p99_ms": watch.seen.latency(0.99)}
            result["seconds"] = round(time.monotonic() - began, 1)
            view.say("stopping everything")
    finally:
        view.close()
    return result, amiss


def _stack(folder: Path) -> Stack:
    settings = folder_settings(folder)
    stream = settings.stream.model_copy(update={"commit_ms": COMMIT_MS})
    return Stack(folder, settings=settings.model_copy(update={"stream": stream}))


def _play_history(view: View, settings: Settings, days: Days) -> Player:
    watch = Watch(settings)
    view.restart()
    title = f"{days.end} days of history, as fast as the services go"
    player = Player(settings, Play(), lambda summary: view.draw(title, watch.seen))
    player.run(days)
    await_quiet(settings)
    watch.stop()
    view.say(f"history: {player.summary.payments:,} payments in {player.summary.seconds:.0f} seconds")
    return player


def _train(view: View, settings: Settings) -> str:
    features = definitions()
    examples = read_examples(settings, features)
    tested, trained = tried(examples, RECIPE), newest(examples, RECIPE)
    manifest = manifest_of(trained, RECIPE, tested, features)
    record = publish(manifest, trained.fitted.predictor.to_bytes(), "champion", settings)
    view.say(
        f"trained {record.version} on {trained.rows:,} of {len(examples):,} examples, {trained.frauds} of "
        f"them frauds; average precision on the week kept apart {tested['average_precision']:.2f}"
    )
    return record.version


def _play_live(view: View, settings: Settings, days: Days, rate: float, history: Player) -> Watch:
    watch = Watch(settings)
    view.restart()
    stopping = threading.Event()
    drawing = threading.Thread(target=_draw, args=(view, watch, stopping), daemon=True)
    drawing.start()
    play = Play(rate=rate, repeat_share=REPEAT_SHARE)
    sprinkled = _Sprinkle(settings)
    player = Player(settings, play, sprinkled.add)
    player.pending = history.pending
    player.run(days)
    player.send_pending()
    await_quiet(settings)
    stopping.set()
    drawing.join()
    watch.stop()
    return watch


def _draw(view: View, watch: Watch, stopping: threading.Event) -> None:
    while not stopping.wait(DRAWN_AGAIN_SECONDS):
        view.draw("live", watch.seen)


class _Sprinkle:
    """Sends bad records between payments."""

    def __init__(self, settings: Settings) -> None:
        self._sender = Sender(settings, ())
        self._slices = 0

    def add(self, summary: Summary) -> None:
        """Send one after every so many slices of payments."""
        self._slices += 1
        number, left = divmod(self._slices, SLICES_PER_BAD_RECORD)
        if left == 0 and summary.event_time is not None:
            for bad in poison(number - 1, summary.event_time):
                self._sender.send(bad.topic, [(bad.key, bad.value)])


def await_quiet(settings: Settings, groups: Mapping[str, tuple[str, ...]] = ALL_GROUPS) -> None:
    """Return when every service has taken and committed all that there is.

    Raises
    ------
    DependencyError
        If that takes more than a minute.
    """
    pipeline = Pipeline(settings, groups)
    deadline = time.monotonic() + QUIET_SECONDS
    while (found := pipeline.slowest()) is not None:
        if time.monotonic() > deadline:
            raise DependencyError(
                f"millrace.{found[1]} still has records waiting after a minute; see its log"
            )
        time.sleep(DRAWN_AGAIN_SECONDS)
    pipeline.close()


def _average_precision(settings: Settings, version: str) -> float | None:
    examples = matured(read_examples(settings, definitions()), days=365)
    served = examples.where((examples.rows["model_version"] == version).fill_null(False).to_numpy())
    found = evaluated(served, served.rows["score"].to_numpy(), "served")["average_precision"]
    return round(float(found), 4) if isinstance(found, float) else None
