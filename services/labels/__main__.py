"""`python -m services.labels`."""

from __future__ import annotations

import sys

from services.labels.stage import DAY, LabelsStage
from shared.features import definitions
from shared.settings import Settings
from shared.stream.service import run
from shared.telemetry import Telemetry


def main() -> int:
    """Run the service; return the exit code."""
    settings = Settings.load()
    telemetry = Telemetry.start("labels", settings)
    features = definitions()
    stage = LabelsStage(
        settings.state_folder / "labels",
        features.horizon,
        features.label_lag,
        settings.labels.correction_days * DAY,
    )
    return run(stage, settings, "labels", telemetry)


if __name__ == "__main__":
    sys.exit(main())
