"""The features stage with much state: many partitions, checkpoints and their stall, restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from services.features.newest import Newest, NewestRows
from services.features.stage import FeaturesStage
from shared import wire
from shared.features import definitions
from shared.stream import Batch
from shared.stream.checkpoints import Checkpoint, Checkpoints
from tests.bench.window_growth import BATCH, DAY, HISTORY_DAYS, START

CUSTOMERS = 20_000
SNAPSHOTS = 10
TIMED_SHARE = 5

Records = list[tuple[bytes, bytes]]


class Nowhere:
    """A cache that takes everything and keeps nothing."""

    def offer(self, partition: int, newest: Newest) -> None: ...
    def release(self, partition: int) -> None: ...
    def close(self) -> None: ...
    def has_room(self, partition: int) -> bool:
        return True

    def is_lost(self, partition: int) -> bool:
        return False


def stage() -> FeaturesStage:
    """Return the stage of the customers' features with its table of newest rows."""
    entity = definitions().entity("customer")
    return FeaturesStage(definitions(), entity, NewestRows(len(entity.features), Nowhere()))


def records(count: int) -> Records:
    """Return payments as ingest writes them, keyed by customer, spread over thirty days."""
    draw = np.random.default_rng(3)
    customers, amounts = (
        draw.integers(0, CUSTOMERS, count).tolist(),
        draw.integers(100, 10_000, count).tolist(),
    )
    step = HISTORY_DAYS * DAY // count
    return [
        (f"c{customer}".encode(), _payment(row, START + row * step, customer, amount))
        for row, (customer, amount) in enumerate(zip(customers, amounts, strict=True))
    ]


def batches(content: Records, partitions: int, first: int = 0) -> Iterator[Batch]:
    """Yield records as the run loop gives them, dealt out to partitions by customer."""
    for at in range(0, len(content), BATCH):
        keys, values = zip(*content[at : at + BATCH], strict=True)
        chosen = np.array([int(key[1:]) % partitions for key in keys], np.int32)
        offsets = np.arange(first + at, first + at + len(keys))
        yield Batch("transactions.v1", keys, values, chosen, offsets, offsets)


def take(working: FeaturesStage, parts: Iterator[Batch]) -> tuple[int, float]:
    """Let a stage take batches; return the records and the CPU seconds."""
    count, began = 0, time.process_time()
    for batch in parts:
        working.process(batch)
        for partition in set(batch.partitions.tolist()):
            working.acknowledged(partition, batch.topic, int(batch.offsets[-1]) + 1)
        count += len(batch)
    return count, time.process_time() - began


def nanoseconds(content: Records, partitions: int) -> float:
    """Return the CPU time of a payment in the stage over the last fifth of the records."""
    working, cut = stage(), len(content) - len(content) // TIMED_SHARE
    take(working, batches(content[:cut], partitions))
    count, seconds = take(working, batches(content[cut:], partitions, cut))
    return seconds / count * 1e9


def checkpoints(content: Records, partitions: int, folder: Path) -> dict[str, float]:
    """Return the stalls of snapshots while payments come, and the seconds of a restart from checkpoints.

    ``first_ms``, the longest first snapshot of a partition, stands beside ``stall_ms`` and has no bound: it
    also fills memory that was never written, once after a start without a checkpoint, as `restore` does for
    one that has it.
    """
    working, cut = stage(), len(content) - SNAPSHOTS * BATCH
    take(working, batches(content[:cut], partitions))
    store, stalls = Checkpoints(str(folder), f"state-{partitions}"), []
    for batch in batches(content[cut:], partitions, cut):
        take(working, iter([batch]))
        for partition in range(partitions):
            began = time.perf_counter()
            arrays = working.snapshot(partition)
            stalls.append((time.perf_counter() - began) * 1e3)
            last = {"transactions.v1": int(batch.offsets[-1]) + 1}
            store.write(Checkpoint(partition, last, {}, {}, {}, arrays))
    began, fresh = time.perf_counter(), stage()
    for partition in range(partitions):
        found = store.newest(partition)
        assert found is not None
        fresh.restore(partition, found.arrays)
    restore = time.perf_counter() - began
    first, later = max(stalls[:partitions]), max(stalls[partitions:])
    return {"first_ms": first, "stall_ms": later, "restore_seconds": restore}


def _payment(row: int, event_time: int, customer: int, amount: int) -> bytes:
    content: dict[str, Any] = {"source": wire.source_bytes(0, row), "transaction_id": f"t{row}"}
    content |= {"event_time": event_time, "accepted_at": event_time, "customer_id": f"c{customer}"}
    content |= {"terminal_id": "m1", "amount": amount, "currency": "EUR", "amount_base": amount}
    absent = dict.fromkeys(("merchant_category", "country", "device_id", "card_token"))
    return wire.encode("transactions.v1", {**content, **absent, "channel": "unknown"})
