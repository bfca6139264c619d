"""Each stage alone on a filled topic, beside one bare hop in the same run.

A pass fills the raw topic, in JSON or in Avro, and starts one service after the other; each empties the
topic that the one before it filled. The last line of stdout is one JSON object; the exit code is 1 when
a bound is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from services.scoring.blocks import FeatureBlocks
from services.training.recipe import Family
from shared.features import definitions
from shared.models import ActingModels
from shared.settings import Settings
from shared.stream import Batch
from shared.stream.clients import read_topic
from tests.bench import hop, world
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import Bound, conclude, least
from tests.bench.cpu import cpu_seconds
from tests.bench.drain import Drain, drain
from tests.bench.payments import simulated
from tests.bench.sending import Sender
from tests.faults.models import publish_model

HOP = "bare-hop"
PREDICTOR = "predictor"
PREDICTED_ROWS = 20_000
PREDICTING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A service between two topics; ``least`` is the share that it must reach of the rate of ``beside``."""

    name: str
    service: str
    output: str
    least: float
    beside: str = HOP


def passes() -> dict[str, tuple[Family, tuple[Stage, ...]]]:
    """Return the model and the stages of a pass, by the form of raw payments."""
    features = (
        Stage("features-customer", "features.customer", "features.customer.v1", 0.50),
        Stage("features-terminal", "features.terminal", "features.terminal.v1", 0.50),
    )
    linear = Stage("scoring-linear", "scoring", "scores.v1", 0.50)
    trees = Stage("scoring-trees", "scoring", "scores.v1", 0.70, PREDICTOR)
    ingest = {form: Stage(f"ingest-{form}", "ingest", "transactions.v1", 0.35) for form in ("json", "avro")}
    return {
        "json": ("logistic", (ingest["json"], *features, linear)),
        "avro": ("boosted", (ingest["avro"], *features, trees)),
    }


PASSES = passes()
NAMES = tuple(dict.fromkeys(stage.name for _, stages in PASSES.values() for stage in stages))


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, world.running(Path(folder)) as running:
        found = Measured(running, arguments.payments, arguments.cache).run(arguments.stage, arguments.rounds)
    result, bounds = summary(found)
    return conclude({"payments": arguments.payments, "is_cached": arguments.cache, **result}, bounds)


@dataclass(slots=True)
class Measured:
    """Measures stages in a running world."""

    world: world.World
    payments: int
    is_cached: bool

    def run(self, wanted: str | None, rounds: int) -> dict[str, list[Drain]]:
        """Return the drains of each stage; those of the stages up to ``wanted`` only, when given."""
        found: dict[str, list[Drain]] = {}
        bare = self.world.settings("hop", self.is_cached)
        hop.make_topics(bare, hop.names(1))
        Sender(bare).at_once(hop.names(1)[0], simulated(self.payments))
        self._hop(bare)  # warms the broker up
        for number in range(rounds):
            for form, (family, stages) in PASSES.items():
                names = [stage.name for stage in stages]
                if wanted and wanted not in names:
                    continue
                last = names.index(wanted) + 1 if wanted else len(stages)
                self._note(found, HOP, self._hop(bare))
                self._pass(f"{form}{number}", form, family, stages[:last], found)
        return found

    def _pass(
        self, name: str, form: str, family: Family, stages: tuple[Stage, ...], found: dict[str, list[Drain]]
    ) -> None:
        settings = self.world.settings(name, self.is_cached)
        publish_model(settings, family=family)
        Sender(settings).at_once(settings.topic("transactions.raw.v1"), simulated(self.payments, form))
        for stage in stages:
            self._note(found, stage.name, self._stage(settings, stage))
            if stage.beside == PREDICTOR:
                self._note(found, PREDICTOR, predicted(settings))

    def _stage(self, settings: Settings, stage: Stage) -> Drain:
        arrivals = Arrivals(settings, settings.topic(stage.output))
        with self.world.service(stage.service, settings) as child:
            return drain(arrivals, self.payments, lambda: cpu_seconds(child.pid))

    def _hop(self, settings: Settings) -> Drain:
        target = hop.names(1)[1]
        arrivals = Arrivals(settings, target)
        with hop.running(settings, self.world.folder, 1) as children:
            return drain(arrivals, self.payments, lambda: cpu_seconds(children[target].pid))

    def _note(self, found: dict[str, list[Drain]], name: str, measured: Drain) -> None:
        found.setdefault(name, []).append(measured)
        core = measured.rate_per_core
        print(f"{name}: {measured.rate:,.0f} a second, {core:,.0f} a second of CPU", file=sys.stderr)


def predicted(settings: Settings) -> Drain:
    """Return how fast the champion's predictor alone scores features of the topic, in batches of the loop."""
    features = definitions()
    models = ActingModels(settings, features, lambda record, refused: None)
    models.start()
    champion = models.current().champion
    assert champion is not None
    records = islice(read_topic(settings, "features.terminal.v1"), PREDICTED_ROWS)
    values = [record.value() or b"" for record in records]
    none = np.zeros(len(values), np.int64)  # where they lie has no part in it
    matrix = FeatureBlocks(features).read(
        Batch("features.terminal.v1", [], values, none.astype(np.int32), none, none)
    )
    batch = settings.stream.max_batch
    parts = [np.ascontiguousarray(matrix[at : at + batch]) for at in range(0, len(matrix), batch)]
    rows, began, cpu_began = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < began + PREDICTING_SECONDS:
        for part in parts:
            champion.predict(part)
        rows += len(matrix)
    found = Drain(rows, time.perf_counter() - began, time.process_time() - cpu_began)
    models.close()
    return found


def summary(found: Mapping[str, list[Drain]]) -> tuple[dict[str, Any], list[Bound]]:
    """Return rates as medians over rounds, and the bounds of the stages that were measured."""
    rates = {name: statistics.median(each.rate for each in drains) for name, drains in found.items()}
    per_core = {name: statistics.median(each.rate_per_core for each in found[name]) for name in found}
    stages = {stage.name: stage for _, each in PASSES.values() for stage in each if stage.name in found}
    bounds = [
        least(f"{name} / {stage.beside}", rates[name] / rates[stage.beside], stage.least)
        for name, stage in stages.items()
    ]
    whole = {
        name: {"per_second": round(rates[name]), "per_core_second": round(per_core[name])} for name in found
    }
    return {"rates": whole}, bounds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("stages", description=__doc__)
    parser.add_argument("stage", nargs="?", choices=NAMES, help="only this one, with what it needs before it")
    parser.add_argument("--payments", type=int, default=300_000, help="records in a topic (%(default)s)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cache", action="store_true", help="with Redis at work")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
