"""`python -m services.labels`."""

from __future__ import annotations

import sys

from services.labels.sketches import LabelSketches
from services.labels.stage import DAY, LabelsStage, Times
from shared.features import definitions
from shared.settings import Settings
from shared.stream.dead_letters import DeadLetters
from shared.stream.service import run
from shared.telemetry import Telemetry


def main() -> int:
    """Run the service; return the exit code."""
    settings, features = Settings.load(), definitions()
    telemetry = Telemetry.start("labels", settings)
    labels = telemetry.counter("labels_total", "Labels by what became of them.", ("result",))
    stage = LabelsStage(
        settings.state_folder / "labels",
        Times(features.horizon, features.label_lag, settings.labels.correction_days * DAY),
        LabelSketches(f"labels-{settings.instance}", settings.scoring.sketch_seconds),
        DeadLetters("labels", settings),
        lambda result, number: labels.labels(result).inc(number),
    )
    return run(stage, settings, "labels", telemetry)


if __name__ == "__main__":
    sys.exit(main())
