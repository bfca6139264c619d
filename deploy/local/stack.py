"""Kafka, Redis, topics and services on this machine, as one."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local import processes
from deploy.local.kafka import Kafka
from deploy.local.ports import HOST
from deploy.local.redis import Redis
from deploy.local.server import Started
from deploy.local.supervisor import READY_SECONDS, Supervisor
from deploy.local.variables import variables
from services.cli.run import SERVICES
from shared.settings import Settings
from shared.stream import topics

# Each service is one process on few cores: pools of threads inside them would only fight.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
    "1",
)
# Settings are handed down as a whole; without compiled bytecode a service takes three times as long to start.
NOT_INHERITED = ("MILLRACE_", "PYTHONDONTWRITEBYTECODE")
STATE_FILE = "stack.json"
# No score waits for these: they yield.
BEHIND = ("alerts", "labels", "monitor", "training")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Kafka and Redis listen; None takes a free port."""

    kafka: int | None = None
    redis: int | None = None


class Stack(Started):
    """All of Millrace below one folder, listening on 127.0.0.1 only.

    Parameters
    ----------
    folder
        Holds data (``kafka/``, ``redis/``), output (``log/``) and ``stack.json``; without ``settings``
        also state, models and keys.
    services
        Names of `millrace run`.
    settings
        Taken but for the addresses of Kafka and Redis.
    kafka
        The broker to run; one of its own below ``folder`` where None.
    instances
        Processes a service; from the second on they are named ``scoring.1``, ``scoring.2``...
    """

    def __init__(
        self,
        folder: Path,
        services: Sequence[str] = tuple(SERVICES),
        settings: Settings | None = None,
        ports: Ports = Ports(),
        instances: int = 1,
        kafka: Kafka | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.kafka = kafka or Kafka(self.folder / "kafka", ports.kafka)
        self.redis = Redis(self.folder / "redis", ports.redis)
        self.settings = self._addressed(settings or folder_settings(self.folder))
        commands, self._instances = _commands(services, instances)
        self.supervisor = Supervisor(commands, self._variables, self.folder / "log", self.write)
        self._is_ready = False
        self._writing = threading.Lock()

    def start(self, seconds: float = READY_SECONDS) -> None:
        """Start everything and return when every service is ready.

        Raises
        ------
        DependencyError
            If something is missing or not ready in time; what was started is stopped.
        """
        try:
            self.redis.start()
            self.kafka.start()
            topics.apply(self.settings)
            self.write()
            self.supervisor.start(seconds)
            self._is_ready = True
            self.write()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the services, then Redis and Kafka; what Kafka holds stays."""
        self.supervisor.stop()
        self.redis.stop()
        self.kafka.stop()
        (self.folder / STATE_FILE).unlink(missing_ok=True)

    def write(self) -> None:
        """Write ``stack.json``: who runs where, for `millrace status` and `millrace down`."""
        content = {
            "process": asdict(processes.identity()),
            "kafka": self.kafka.bootstrap,
            "redis": self.redis.url,
            "topic_prefix": self.settings.topic_prefix,
            "is_ready": self._is_ready,
            "others": [asdict(processes.identity(child.pid)) for child in self._others()],
            "services": [asdict(status) for status in self.supervisor.statuses()],
        }
        file = self.folder / STATE_FILE
        made = file.with_suffix(".tmp")
        with self._writing:
            made.write_text(json.dumps(content, indent=1))
            made.replace(file)

    def _others(self) -> list[processes.Child]:
        servers = (self.kafka, self.redis)
        return [server.child for server in servers if server.is_running]

    def _addressed(self, settings: Settings) -> Settings:
        kafka = {**settings.kafka, "bootstrap.servers": self.kafka.bootstrap}
        return settings.model_copy(update={"kafka": kafka, "redis_url": self.redis.url, "http_host": HOST})

    def _variables(self, name: str) -> Mapping[str, str]:
        number = self._instances[name]
        own: dict[str, Any] = {"instance": number, "state_url": self.settings.checkpoint_url}
        if number:
            own["state_folder"] = self.settings.state_folder / f"instance-{number}"
        inherited = {k: v for k, v in processes.environment().items() if not k.startswith(NOT_INHERITED)}
        return {**inherited, **ONE_THREAD, **variables(self.settings.model_copy(update=own))}


def folder_settings(folder: Path) -> Settings:
    """Return default settings with state, models and keys below a folder."""
    places = {"STATE_FOLDER": "state", "MODEL_URL": "models", "KEYS_FOLDER": "keys"}
    environment = {f"MILLRACE_{name}": str(folder / place) for name, place in places.items()}
    return Settings.load(environment, folder / "none.toml")


def _commands(
    services: Sequence[str], instances: int
) -> tuple[dict[str, Sequence[str | Path]], dict[str, int]]:
    commands: dict[str, Sequence[str | Path]] = {}
    numbers = {}
    for service in services:
        for number in range(instances):
            name = f"{service}.{number}" if number else service
            priority = processes.YIELDING if service in BEHIND else ()
            commands[name] = [*priority, sys.executable, "-m", *SERVICES[service]]
            numbers[name] = number
    return commands, numbers
