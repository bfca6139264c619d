"""What the demo tells: history and the model that comes of it, live scoring, change, attacks, and the sum.

Nobody trains, and nobody moves a model but where somebody does what he should not.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from deploy.local.stack import Stack, folder_settings
from services.cli.demo import accounts, attacks, change
from services.cli.demo.loop import Chronicle, Loop
from services.cli.demo.poison import poison
from services.cli.demo.view import View
from services.cli.demo.watch import Watch
from services.cli.run import SERVICES
from services.replay.changes import Change
from services.replay.pipeline import GROUPS, TRAINING, Pipeline
from services.replay.player import Play, Player, Summary
from services.replay.sender import Sender, send_customers
from services.replay.simulator import Simulation
from services.training.evaluate import evaluated, matured
from services.training.examples import read_examples
from shared.features import definitions
from shared.settings import Settings
from shared.stream.clients import DependencyError

FIRST_FIT = 44
"""The day on which training has labels enough for a first model."""
LEARNT_DAYS = 28
"""From a change of fraud to the refit that an alarm asks for: labels count a week later, and a trial learns
from days two weeks older still. By default it comes at once, knows little of what is new; others follow."""
REFIT_DAYS = 365.0  # no other refit: each takes seconds
AFTER_DAYS = change.LONGEST_DAYS + change.AFTER_DAYS + attacks.STOPPED_DAYS + attacks.LONGEST_DAYS
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

    @property
    def changed(self) -> int:
        """The day on which fraud changes: leaked cards are used in bursts of small payments from then on."""
        return self.history_days + self.live_days

    def simulation(self) -> Simulation:
        """Return all days; half as many frauds again, by payment, as among the Handbook's 5,000 customers."""
        share = 1.5 * self.customers / 5000
        return Simulation(
            customers=self.customers,
            terminals=self.customers * TERMINALS_PER_CUSTOMER,
            days=self.changed + AFTER_DAYS,
            seed=self.seed,
            compromised_terminals=2 * share,
            compromised_customers=3 * share,
            bursts=Change(self.changed, 1.0, before=0.0),
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
        with _stack(plot, folder) as stack:
            result, amiss = _told(plot, stack, view)
            result["seconds"] = round(time.monotonic() - began, 1)
            view.say("stopping everything")
    finally:
        view.close()
    return result, amiss


def _told(plot: Plot, stack: Stack, view: View) -> tuple[dict[str, Any], list[str]]:
    settings, simulation = stack.settings, plot.simulation()
    send_customers(settings, simulation.population().to_dicts())
    watch = Watch(settings)
    loop = Loop(simulation, Chronicle(settings, view, watch, simulation.start))
    first = _play_history(loop, plot)
    live = _play_live(loop, plot)
    found = change.recovered(loop) if first else change.Recovery("", "")
    await_quiet(settings, {**GROUPS, **TRAINING})  # what a candidate is made from lies still then
    done = attacks.attacked(loop, found.old) if found.new else None
    loop.end()
    view.say("adding up")
    await_quiet(settings, {**ALL_GROUPS, **TRAINING, "monitor": ("sketches.v1",)})
    loop.chronicle.look()
    result, amiss = accounts.settle(stack)
    result |= {"ap": _average_precision(settings, first), "model_version": first}
    result |= {"latency_p50_ms": live.seen.latency(0.5), "latency_p99_ms": live.seen.latency(0.99)}
    scored = change.scored(settings)
    result["recovery"], sentences = change.told(loop, found, plot.changed, scored)
    amiss += sentences
    if done is not None:
        result["attacks"], sentences = attacks.told(loop, done, scored)
        amiss += sentences
    result |= {"days": loop.day, "alarms": loop.chronicle.alarm_rows(), "events": loop.chronicle.event_rows()}
    loop.chronicle.close()
    watch.stop()
    return result, amiss


def _stack(plot: Plot, folder: Path) -> Stack:
    settings = folder_settings(folder)
    stream = settings.stream.model_copy(update={"commit_ms": COMMIT_MS})
    gap = plot.changed + LEARNT_DAYS - FIRST_FIT
    training = settings.training.model_copy(update={"refit_days": REFIT_DAYS, "alarm_gap_days": gap})
    return Stack(folder, settings=settings.model_copy(update={"stream": stream, "training": training}))


def _play_history(loop: Loop, plot: Plot) -> str:
    """Play until training has made a first model, and on; return its version, empty where there is none."""
    loop.play("history, as fast as the services go", plot.history_days, lambda: bool(loop.champion))
    loop.play("calm", plot.history_days - loop.day)
    found = loop.standing.champion
    if found is None:
        return ""
    precision = json.loads(found.published.manifest)["metrics"]["average_precision"]
    loop.chronicle.view.say(
        f"training made {found.version} by itself; average precision on the week kept apart {precision:.2f}"
    )
    return found.version


def _play_live(loop: Loop, plot: Plot) -> Watch:
    view, settings = loop.chronicle.view, loop.chronicle.settings
    watch = Watch(settings)
    view.restart()
    stopping = threading.Event()
    drawing = threading.Thread(target=_draw, args=(view, watch, stopping), daemon=True)
    drawing.start()
    play = Play(rate=plot.rate, repeat_share=REPEAT_SHARE)
    player = Player(settings, play, _Sprinkle(settings).add)
    player.pending = loop.pending
    player.run(Days(loop.simulation, loop.day, plot.changed))
    loop.pending, loop.day = player.pending, plot.changed
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
