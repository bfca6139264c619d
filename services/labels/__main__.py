"""`python -m services.labels`."""

from __future__ import annotations

import sys

from services.labels.sketches import LabelSketches
from services.labels.stage import DAY, LabelsStage, Times
from shared.features import definitions
from shared.settings import Settings, SettingsError
from shared.stream.dead_letters import DeadLetters
from shared.stream.service import run
from shared.telemetry import Telemetry


def main() -> int:
    """Run the service; return the exit code."""
    try:
        settings, features = Settings.load(), definitions()
        letters = DeadLetters("labels", settings)
        telemetry = Telemetry.start("labels", settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    labels = telemetry.counter("labels_total", "Labels by what became of them.", ("result",))
    stage = LabelsStage(
        settings.state_folder / "labels",
        Times(features.horizon, features.label_lag, settings.labels.correction_days * DAY),
        LabelSketches(f"labels-{settings.instance}", settings.scoring.sketch_seconds),
        letters,
        lambda result, number: labels.labels(result).inc(number),
    )
    return run(stage, settings, "labels", telemetry)


if __name__ == "__main__":
    sys.exit(main())
