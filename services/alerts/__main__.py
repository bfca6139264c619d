"""Runs alerts as a service."""

from __future__ import annotations

import sys

from services.alerts.models import VersionedModels
from services.alerts.reports import Reports
from services.alerts.stage import AlertsStage
from shared.features import definitions
from shared.settings import Settings, SettingsError
from shared.stream.clients import DependencyError
from shared.stream.service import run
from shared.telemetry import Telemetry

FAILED, UNREACHABLE = 1, 3


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings, features = Settings.load(), definitions()
        telemetry = Telemetry.start("alerts", settings)
        reports = Reports(telemetry)
        models = VersionedModels.of(settings, features, reports.refused)
        models.start()
    except (SettingsError, DependencyError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREACHABLE if isinstance(error, DependencyError) else FAILED
    stage = AlertsStage(models, features, settings.alerts.max_reasons, reports)
    return run(stage, settings, "alerts", telemetry)


if __name__ == "__main__":
    sys.exit(main())
