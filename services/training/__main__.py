"""Runs training as a service."""

from __future__ import annotations

import fcntl
import signal
import sys
from importlib.metadata import version as installed
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import schemas
from services.training.dataset import Dataset, Origin
from services.training.examples import TOPIC
from services.training.feed import Feed, topic_id
from services.training.loop import Feeds, Rules, Service
from services.training.online import Learner
from services.training.order import SLACK_LAGS, Merge
from services.training.reports import Reports
from shared.features import definitions
from shared.models import ModelLog
from shared.policy import GuardsPolicy, PolicyError, RolloutPolicy
from shared.settings import Settings, SettingsError
from shared.stream.clients import DependencyError
from shared.telemetry import Telemetry

FAILED, UNREACHABLE = 1, 3


def main() -> int:
    """Run until told to stop; return the exit code."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        settings = Settings.load()
        telemetry = Telemetry.start("training", settings)
        held = lock(settings)
        service = build(settings, telemetry)
        service.start()
        telemetry.set_ready(True)
        while not stopping:
            service.step()
        service.stop()
        held.close()
    except (SettingsError, PolicyError, DependencyError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREACHABLE if isinstance(error, DependencyError) else FAILED
    return 0


def build(settings: Settings, telemetry: Telemetry) -> Service:
    """Return the service as its folder left it; of another topic or other features it begins anew.

    Raises
    ------
    DependencyError
        If the broker or a topic is not there.
    """
    features = definitions()
    origin = Origin(topic_id(settings, TOPIC), features.version, features.names, installed("river"))
    dataset = Dataset.open(folder(settings), settings.training.kept_days, origin)
    starts = {partition: each.offset for partition, each in dataset.reached.items()}
    return Service(
        settings,
        features,
        Feeds(Feed(settings, TOPIC, starts), Feed(settings, "monitoring.v1", {}), ModelLog(settings)),
        dataset,
        Reports(telemetry, settings),
        Merge(schemas.partition_count(TOPIC), SLACK_LAGS * features.label_lag, dataset.reached),
        Learner.of(features, dataset.attachment),
        Rules(RolloutPolicy.load(), GuardsPolicy.load()),
    )


def lock(settings: Settings) -> BinaryIO:
    """Return the lock of the service's folder, held until it is closed or the process ends.

    Raises
    ------
    SettingsError
        If another process holds it.
    """
    file = folder(settings).with_name("lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    opened = file.open("wb")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        opened.close()
        raise SettingsError(
            f"a training service runs already on state_folder {settings.state_folder}; one is enough"
        ) from error
    return opened


def folder(settings: Settings) -> Path:
    """Return where the data set lies."""
    return settings.state_folder / "training" / "examples"


if __name__ == "__main__":
    sys.exit(main())
