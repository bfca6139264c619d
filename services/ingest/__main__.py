"""`python -m services.ingest`."""

from __future__ import annotations

import sys

import schemas
from services.ingest.money import currencies
from services.ingest.payments import PaymentChecks
from services.ingest.sketches import IngestSketches
from services.ingest.stage import IngestStage
from shared.settings import Settings, SettingsError
from shared.stream.dead_letters import DeadLetters
from shared.stream.service import run
from shared.telemetry import Telemetry


def main() -> int:
    """Run the service; return the exit code."""
    try:
        settings = Settings.load()
        ingest = settings.ingest
        rates = currencies(schemas.toml("rates"), ingest.max_amount)
        key = settings.secret("tokens")
        checks = PaymentChecks(rates, ingest.token_fields, key, ingest.max_id_length)
        letters = DeadLetters("ingest", settings)
        telemetry = Telemetry.start("ingest", settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    results = telemetry.counter("ingest_total", "Raw records by what became of them.", ("result",))
    stage = IngestStage(
        settings.state_folder / "ingest",
        ingest,
        checks,
        letters,
        settings.topic,
        lambda result, number: results.labels(result).inc(number),
        IngestSketches(f"ingest-{settings.instance}", settings.scoring.sketch_seconds),
    )
    return run(stage, settings, "ingest", telemetry)


if __name__ == "__main__":
    sys.exit(main())
