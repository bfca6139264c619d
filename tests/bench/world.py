"""A broker and a Redis with single services that come and go."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import processes
from deploy.local.kafka import Kafka
from deploy.local.redis import Redis
from deploy.local.stack import NOT_INHERITED, ONE_THREAD, folder_settings
from deploy.local.variables import variables
from services.cli.run import SERVICES
from shared.settings import Settings
from shared.stream import topics

STOP_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class World:
    """A running broker and Redis below a folder."""

    folder: Path
    kafka: Kafka
    redis: Redis

    def settings(self, name: str, is_cached: bool) -> Settings:
        """Return the settings of a Millrace of its own, its topics made."""
        settings = folder_settings(self.folder / name)
        features = settings.features.model_copy(update={"is_cached": is_cached})
        addresses = {"bootstrap.servers": self.kafka.bootstrap}
        changes = {"topic_prefix": f"{name}.", "redis_url": self.redis.url, "features": features}
        settings = settings.model_copy(update={**changes, "kafka": {**settings.kafka, **addresses}})
        topics.apply(settings)
        return settings

    @contextmanager
    def service(self, name: str, settings: Settings) -> Iterator[processes.Child]:
        """Run one instance of a service."""
        with self.services(name, settings, 1) as children:
            yield children[0]

    @contextmanager
    def services(self, name: str, settings: Settings, instances: int) -> Iterator[list[processes.Child]]:
        """Run so many instances of a service."""
        children = []
        try:
            for number in range(instances):
                log = self.folder / f"{settings.topic_prefix}{name}.{number}.log"
                place = settings.state_folder / str(number)
                own = settings.model_copy(update={"instance": number, "state_folder": place})
                command = [sys.executable, "-m", *SERVICES[name]]
                children.append(processes.start(command, log, environment(own)))
            yield children
        finally:
            processes.stop_all(children, STOP_SECONDS)


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Run a broker and a Redis."""
    with Kafka(folder / "kafka") as kafka, Redis(folder / "redis") as redis:
        yield World(folder, kafka, redis)


def environment(settings: Settings) -> Mapping[str, str]:
    """Return the variables of a child process: one thread for each library, as in production."""
    inherited = {k: v for k, v in processes.environment().items() if not k.startswith(NOT_INHERITED)}
    return {**inherited, **ONE_THREAD, **variables(settings)}
