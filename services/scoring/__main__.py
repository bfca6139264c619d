"""Runs scoring as a service."""

from __future__ import annotations

import sys

from services.scoring.reports import Reports
from services.scoring.stage import Rules, ScoringStage
from shared.features import definitions
from shared.models import ActingModels
from shared.policy import PolicyError
from shared.settings import Settings, SettingsError
from shared.stream.clients import DependencyError
from shared.stream.service import run
from shared.telemetry import Telemetry

FAILED, UNREACHABLE = 1, 3


def main() -> int:
    """Run until told to stop; return the exit code.

    The models topic is read to its end before the first payment is taken, so that a restart never
    scores without the model that acted before it.
    """
    try:
        settings, rules, features = Settings.load(), Rules.load(), definitions()
        telemetry = Telemetry.start("scoring", settings)
        reports = Reports(telemetry)
        models = ActingModels(settings, features, reports.refused)
        models.start()
    except (SettingsError, PolicyError, DependencyError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREACHABLE if isinstance(error, DependencyError) else FAILED
    return run(ScoringStage(models, rules, features, settings, reports), settings, "scoring", telemetry)


if __name__ == "__main__":
    sys.exit(main())
