"""What a model costs, measured: outside of the gates, since no clock belongs in them."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from services.training.gates.evidence import Cost, Features
from shared.models import Model
from shared.models.loading import predictor_of
from shared.models.package import unpack

BATCH_ROWS = 2000  # as many as a batch of the stream holds at most
REPEATS = 5  # the quickest counts: the others met other work on the machine
SINGLES = 20
KILOBYTE = 1024


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
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_grow, args=(package, sender), daemon=True)
    child.start()
    sender.close()
    try:
        grown: int = receiver.recv()
    except EOFError:
        return None
    finally:
        child.join()
    return grown


def _grow(package: bytes, sender: Any) -> None:
    before = _peak_bytes()
    manifest, model = unpack(package)
    predictor = predictor_of(manifest, model)
    predictor(np.zeros((1, len(manifest.features)), np.float32))
    sender.send(max(_peak_bytes() - before, 0))


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KILOBYTE


def _seconds(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return min(once() for _ in range(REPEATS))
