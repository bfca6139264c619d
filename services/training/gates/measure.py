"""What a model costs, measured: outside of the gates, since no clock belongs in them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from services.training.gates.evidence import Cost, Features
from shared.models import Model

BATCH_ROWS = 2000  # as many as a batch of the stream holds at most
REPEATS = 5  # the quickest counts: the others met other work on the machine
SINGLES = 20


def cost(model: Model, package: bytes, rows: Features) -> Cost:
    """Return time a row, time of a single row, size, and memory of a process of its own."""
    batch = np.resize(rows, (BATCH_ROWS, rows.shape[1]))
    return Cost(
        us_a_row=_seconds(lambda: model.predict(batch)) / BATCH_ROWS * 1e6,
        ms_single=_seconds(lambda: [model.predict(batch[:1]) for _ in range(SINGLES)]) / SINGLES * 1e3,
        package_bytes=len(package),
        memory_bytes=memory_of(package),
    )


def memory_of(package: bytes) -> int | None:
    """Return by how many bytes loading a package's model makes a process grow; None where it ends early."""
    command = [sys.executable, "-m", "services.training.gates.footprint"]
    ended = subprocess.run(command, input=package, capture_output=True, check=False)
    return int(ended.stdout) if ended.returncode == 0 else None


def _seconds(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return min(once() for _ in range(REPEATS))
