"""What the simulation of the protocol puts in the place of disk, threads, metrics and the process."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import pytest

import schemas
from shared.stream import loop
from shared.stream.checkpoints import Checkpoint
from tests.unit.protocol_stages import PARTITIONS


class Ended(BaseException):
    """The process ended by its own will."""


class Quiet:
    """A marker and meters that keep nothing."""

    is_watchful = False
    culprits = frozenset[Any]()

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Disk:
    """Checkpoints of one service, the newest last."""

    def __init__(self) -> None:
        self.kept: dict[int, list[Checkpoint]] = {}

    def write(self, checkpoint: Checkpoint) -> None:
        kept = self.kept.setdefault(checkpoint.partition, [])
        kept.append(checkpoint)
        kept.sort(key=lambda each: sum(each.offsets.values()))
        del kept[:-2]

    def newest(self, partition: int) -> Checkpoint | None:
        kept = self.kept.get(partition)
        return kept[-1] if kept else None


class AtOnce(Executor):
    """Runs what it is given before it returns."""

    def submit(self, called: Any, /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(called(*given, **named))
        return done


def simulate_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an exit end one simulated process, and all topics have few partitions."""

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(schemas, "partition_count", lambda topic: PARTITIONS)
    monkeypatch.setattr(loop.os, "_exit", end)
