"""Faults of what the services keep on disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE
from typing import Any

import psutil

from tests.faults.world import SERVICES, World
from tests.waiting import wait_for

WITH_CHECKPOINTS = ("features.customer", "features.terminal")
WITH_STORES = ("ingest", "labels")
FULL_SECONDS = 10.0


def checkpoints_deleted(world: World) -> dict[str, Any]:
    """Kill a service and delete its checkpoints."""
    return _damaged(world, Path.unlink, is_newest_only=False)


def checkpoints_truncated(world: World) -> dict[str, Any]:
    """Kill a service and cut the newest checkpoint of each partition in half."""
    return _damaged(world, _cut, is_newest_only=True)


def checkpoints_corrupted(world: World) -> dict[str, Any]:
    """Kill a service and change a byte in the middle of every checkpoint."""
    return _damaged(world, _changed, is_newest_only=False)


def stores_deleted(world: World) -> dict[str, Any]:
    """Kill a service that keeps a store, and delete it."""
    service = world.draw.choice(WITH_STORES)
    since = world.kill(service)
    shutil.rmtree(world.stack.settings.state_folder / service)
    return {"service": service, "recovery_seconds": world.recovery(since)}


def disk_full(world: World) -> dict[str, Any]:
    """Let no service write to a file for a while; whatever ends of it is started again, in vain."""
    held: set[int] = set()
    end = time.monotonic() + world.scaled(FULL_SECONDS)

    def is_over() -> bool:
        for service in SERVICES:
            pid = world.stack.supervisor.pid(service)
            if pid is not None and pid not in held:
                _limit_files(pid, 0)
                held.add(pid)
        return time.monotonic() > end

    wait_for(is_over, 2 * FULL_SECONDS, "the end of the full disk")
    since = time.monotonic()
    for pid in held:
        _limit_files(pid, RLIM_INFINITY)
    return {"starts_in_vain": len(held) - len(SERVICES), "recovery_seconds": world.recovery(since)}


def _damaged(world: World, damage: Callable[[Path], object], is_newest_only: bool) -> dict[str, Any]:
    service = world.draw.choice(WITH_CHECKPOINTS)
    settings = world.stack.settings
    folder = Path(settings.checkpoint_url) / f"{settings.topic_prefix}{service}"
    wait_for(lambda: len(list(folder.glob("*/*.npz"))) >= len(list(folder.iterdir())) > 0, what="checkpoints")
    since = world.kill(service)
    damaged = 0
    for partition in folder.iterdir():
        files = sorted(partition.glob("*.npz"))
        for file in files[-1:] if is_newest_only else files:
            damage(file)
            damaged += 1
    return {"service": service, "damaged": damaged, "recovery_seconds": world.recovery(since)}


def _cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _changed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def _limit_files(pid: int, most_bytes: int) -> None:
    try:
        psutil.Process(pid).rlimit(RLIMIT_FSIZE, (most_bytes, RLIM_INFINITY))
    except psutil.NoSuchProcess:  # it ended by itself, as it should
        return
