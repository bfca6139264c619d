"""What the monitor says of a stream that is computed in one thread, without Kafka, by the same stages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from services.monitor.inputs import Histograms
from services.monitor.monitor import Monitor
from services.monitor.summaries import Sketch
from services.replay.simulator import Simulation
from services.training.recipe import Recipe
from shared.features import definitions
from shared.models import Manifest
from tests.drift.kinds import HISTORY_DAYS
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


def signals(simulation: Simulation) -> list[dict[str, Any]]:
    """Return what the monitor says of a stream whose model is never trained again."""
    references = Trained()
    monitor, said = Monitor(references, definitions()), []
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(Path(folder))
        for day in range(simulation.days):
            if day == HISTORY_DAYS:
                references.manifest = stream.train(Recipe())
            for value in stream.play(simulation.day(day)):
                said += monitor.take(Sketch.from_bytes(value))
    return [msgspec.structs.asdict(each) for each in said]
