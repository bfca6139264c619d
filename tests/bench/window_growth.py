"""What a payment costs in the window state, in CPU time and bytes, as the state grows: no broker needed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

import schemas
from shared.features import FeatureSet, WindowState, feature_set

DAY = 86_400_000_000
START = 1_522_540_800_000_000
HISTORY_DAYS = 30  # all payments of a run are within the longest window: none is forgotten
DAYS_OF_12 = (1, 2, 3, 4, 5, 6, 7, 10, 14, 18, 24, 30)
DAYS_OF_3 = (1, 7, 30)
BATCH = 2000
TIMED = 200_000

Longs = npt.NDArray[np.int64]
Taken = tuple[list[bytes], Longs, Longs, npt.NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a payment, in a state that holds ``retained`` others.

    ``snapshot_bytes`` are those of the copy that a checkpoint is written from and that stays in memory for
    the next, ids included; ``process_bytes`` those of the process before the first snapshot, as the system
    counts.
    """

    entities: int
    retained: int
    windows: int
    nanoseconds: float
    state_bytes: float
    snapshot_bytes: float
    process_bytes: float


def cost(entities: int, retained: int, days: Sequence[int] = DAYS_OF_3) -> Cost:
    """Return what a payment costs once the state holds so many of so many entities.

    Measured in a process of its own: so its memory is that of this state.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_cost, entities, retained, days).result()


def _cost(entities: int, retained: int, days: Sequence[int]) -> Cost:
    definitions = windows(days)
    state = WindowState(definitions, definitions.entities[0])
    times = START + np.arange(retained + TIMED) * (HISTORY_DAYS * DAY // (retained + TIMED))
    draw = np.random.default_rng(7)
    ids = [f"c{number}".encode() for number in range(entities)]
    _take(state, [next(_batches(ids, draw, times))])  # compiles, or loads what was compiled
    before = psutil.Process().memory_info().rss
    _take(state, _batches(ids, draw, times[BATCH:retained]))
    grown = psutil.Process().memory_info().rss - before
    held = state.retained
    sizes = (state.used_bytes, sum(each.nbytes for each in state.snapshot().values()), grown)
    seconds = _take(state, list(_batches(ids, draw, times[retained:])))
    nanoseconds = seconds / TIMED * 1e9
    return Cost(entities, held, len(days), nanoseconds, *(size / held for size in sizes))


def _batches(ids: list[bytes], draw: np.random.Generator, times: Longs) -> Iterator[Taken]:
    """Yield payments of entities drawn evenly, in batches like those of the run loop."""
    for at in range(0, len(times), BATCH):
        part = times[at : at + BATCH]
        keys = [ids[each] for each in draw.integers(0, len(ids), len(part)).tolist()]
        yield keys, part, draw.integers(100, 10_000, len(part)), np.zeros(len(part), np.int32)


def _take(state: WindowState, batches: Iterable[Taken]) -> float:
    """Let the state take batches; return the CPU seconds."""
    began = time.process_time()
    for keys, times, amounts, upstream in batches:
        state.advance(state.index.numbers(keys), times, amounts, upstream)
    return time.process_time() - began


def windows(days: Sequence[int]) -> FeatureSet:
    """Return definitions with the count and the mean amount of customers over so many days each."""
    kinds = ("count", "mean_amount")
    features = [
        {"name": f"{kind}_{each}d", "kind": kind, "window_days": each} for each in days for kind in kinds
    ]
    content: dict[str, Any] = schemas.toml("features")
    entity = {**content["entities"][0], "features": features}
    return feature_set({**content, "entities": [entity]}, schemas.toml("rates"))
