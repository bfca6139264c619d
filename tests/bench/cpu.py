"""CPU time of the processes that take part in a measurement, user and system together."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from deploy.local.processes import Child
from deploy.local.stack import Stack

MACHINE = "machine"


@dataclass(slots=True)
class CpuTimes:
    """Adds up, by name of process, the CPU seconds between `start` and `stop`."""

    pids: Mapping[str, int]
    seconds: dict[str, float] = field(default_factory=dict)
    elapsed: float = 0.0
    _before: dict[str, float] = field(default_factory=dict)
    _began: float = 0.0

    def start(self) -> None:
        """Begin a span."""
        self._before, self._began = self._now(), time.monotonic()

    def stop(self) -> None:
        """End a span."""
        self.elapsed += time.monotonic() - self._began
        for name, after in self._now().items():
            self.seconds[name] = self.seconds.get(name, 0.0) + after - self._before[name]

    def clear(self) -> None:
        """Forget all spans."""
        self.seconds.clear()
        self.elapsed = 0.0

    def shares(self) -> dict[str, float]:
        """Return each process's share of one core over all spans; of the machine: all that ran."""
        return {name: round(spent / self.elapsed, 3) for name, spent in self.seconds.items()}

    def _now(self) -> dict[str, float]:
        return {**{name: cpu_seconds(pid) for name, pid in self.pids.items()}, MACHINE: _machine_seconds()}


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def pids(stack: Stack, hops: Mapping[str, Child]) -> dict[str, int]:
    """Return the processes of a stack, of the bare hops, and this one as the sender."""
    services = {each.service: each.pid for each in stack.supervisor.statuses() if each.pid is not None}
    others = {"broker": stack.kafka.child.pid, "redis": stack.redis.child.pid, "sender": os.getpid()}
    return {**services, **others, **{name: child.pid for name, child in hops.items()}}


def _machine_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))
