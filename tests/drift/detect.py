"""The detectors on streams computed in one thread, without Kafka: `python -m tests.drift.detect`.

Quicker than the live services by not waiting, with the same stages and the same monitor.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from services.cli.output import table
from services.monitor.inputs import Histograms
from services.monitor.monitor import Monitor
from services.monitor.summaries import Sketch
from services.training.recipe import Recipe
from shared.features import definitions
from shared.models import Manifest
from tests.drift import verdict
from tests.drift.kinds import CHANGES, DAYS, SEEDS, TRAINED_DAY, simulation
from tests.drift.single import Stream


class Trained:
    """The training histograms of one model."""

    def __init__(self) -> None:
        self.manifest: Manifest | None = None

    def histograms(self, version: str | None) -> Histograms | None:
        """Return them for the model's version."""
        if self.manifest is None or version != self.manifest.version:
            return None
        counts = self.manifest.histograms.items()
        return {name: np.array(each, np.int64) for name, each in counts}


def signals(kind: str, seed: int) -> list[dict[str, Any]]:
    """Return what the monitor says of a stream whose model is never trained again."""
    payments, references = simulation(kind, seed), Trained()
    monitor, said = Monitor(references, definitions()), []
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(Path(folder))
        for day in range(DAYS):
            if day == TRAINED_DAY:
                references.manifest = stream.train(Recipe())
            for value in stream.play(payments.day(day)):
                said += monitor.take(Sketch.from_bytes(value))
    return [msgspec.structs.asdict(each) for each in said]


def main() -> int:
    """Run; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", choices=sorted(CHANGES))
    parser.add_argument("--seed", action="append", type=int)
    arguments = parser.parse_args()
    rows, missed = [], []
    for kind in arguments.kind or CHANGES:
        for seed in arguments.seed or SEEDS:
            row, sentences = verdict.row(kind, seed, signals(kind, seed))
            rows.append(row)
            missed += sentences
            print(
                f"drift: {kind} {seed}: {'; '.join(row['alarms']) or 'no alarm'}", file=sys.stderr, flush=True
            )
    print(table(verdict.summary(rows)), file=sys.stderr)
    print(json.dumps({"streams": rows, "missed": missed}))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
