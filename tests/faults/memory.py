"""Memory of the services' processes while payments flow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import psutil

from deploy.local.supervisor import Supervisor

MIB = 1 << 20
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held once so many payments had been sent."""

    pid: int
    payments: float
    mib: float


@dataclass
class Memory:
    """Resident memory of each service, asked for every second."""

    supervisor: Supervisor
    payments: Callable[[], int]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            sent = self.payments()
            for each in self.supervisor.statuses():
                if each.pid is None or not each.is_ready:
                    continue
                try:
                    held = psutil.Process(each.pid).memory_info().rss / MIB
                except psutil.NoSuchProcess:  # it ended a moment ago
                    continue
                self.samples.setdefault(each.service, []).append(Sample(each.pid, sent, held))


def slope(samples: list[Sample], first: float, warm: float = 0.0) -> float:
    """Return MiB by which a service grows with each payment, from the sample after ``first`` payments on.

    Each of its processes has a level of its own: least squares of one slope over all of them. While a process
    takes its first ``warm`` payments it fills its caches and buffers, which have limits: they do not count.

    Examples
    --------
    >>> slope([Sample(1, 0, 9.0), Sample(1, 2, 11.0), Sample(2, 4, 5.0), Sample(2, 6, 7.0)], 0)
    1.0
    >>> slope([Sample(1, 0, 1.0), Sample(1, 2, 9.0), Sample(1, 4, 9.0), Sample(1, 6, 9.0)], 0, warm=2)
    0.0
    """
    sides: list[tuple[float, float]] = []
    for pid in {each.pid for each in samples}:
        held = np.array([(each.payments, each.mib) for each in samples if each.pid == pid])
        own = held[held[:, 0] >= max(first, held[0, 0] + warm)]
        if len(own):
            sides += [(x, y) for x, y in own - own.mean(axis=0)]
    x, y = np.array(sides).T
    return float((x * y).sum() / (x * x).sum())


def growth(samples: list[Sample], first: float, last: float) -> float:
    """Return by how many MiB a service grew at most between two numbers of payments."""
    chosen = [each.mib for each in samples if first <= each.payments <= last]
    return max(chosen) - chosen[0]
