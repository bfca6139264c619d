"""Runs the features of one entity as a service."""

from __future__ import annotations

import argparse
import sys

from services.features.cache import RedisCache
from services.features.newest import NewestRows
from services.features.stage import FeaturesStage
from shared.features import definitions
from shared.settings import Settings, SettingsError
from shared.stream.service import run
from shared.telemetry import Telemetry


def main() -> int:
    """Run until told to stop; return the exit code."""
    features = definitions()
    parser = argparse.ArgumentParser(prog="python -m services.features", description=__doc__)
    parser.add_argument("--entity", choices=[entity.name for entity in features.entities], required=True)
    entity = features.entity(parser.parse_args().entity)
    service = f"features.{entity.name}"
    try:
        settings = Settings.load()
        telemetry = Telemetry.start(service, settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    newest = None
    if settings.features.is_cached:
        newest = NewestRows(len(entity.features), RedisCache(settings, features, entity, telemetry))
    return run(FeaturesStage(features, entity, newest), settings, service, telemetry)


if __name__ == "__main__":
    sys.exit(main())
