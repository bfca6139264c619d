"""A server on this machine: a child process behind one port, started and stopped as a context."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.local import processes
from deploy.local.ports import free_port
from shared.stream.clients import DependencyError


class Started(ABC):
    """What is started as a context begins and stopped as it ends."""

    @abstractmethod
    def start(self) -> object:
        """Start it."""

    @abstractmethod
    def stop(self) -> None:
        """End it in order."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Server(Started):
    """A server whose files and log lie in ``folder``; it starts again on the same port."""

    name: ClassVar[str]
    stop_seconds: ClassVar[float]

    def __init__(self, folder: Path, port: int | None) -> None:
        self.folder = folder.absolute()
        self.port = port or free_port()
        self.log = self.folder / f"{self.name.lower()}.log"
        self._child: processes.Child | None = None

    @property
    def child(self) -> processes.Child:
        """The process, once started."""
        if self._child is None:
            raise DependencyError(f"the local {self.name} has not been started")
        return self._child

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.poll() is None

    @abstractmethod
    def start(self) -> str:
        """Start it, wait until it answers, and return its address.

        Raises
        ------
        DependencyError
            If something that it needs is missing, or it does not answer in time.
        """

    def stop(self) -> None:
        """End it in order."""
        if self._child is not None:
            processes.stop(self._child, self.stop_seconds)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._child is not None:
            processes.kill(self._child)

    def _await(self, seconds: float) -> None:
        """Return when it answers; where it does not in time, nothing is left of it."""
        try:
            processes.await_ready(self.child, self.name, self.log, self._answers, seconds)
        except BaseException:
            self.kill()
            raise

    @abstractmethod
    def _answers(self) -> bool: ...
