"""The newest features of each entity, handed to the cache once their records are durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled
from shared.features.arena import Array, WarmMemory, enlarged
from shared.features.blocks import Ints
from shared.features.plan import NEVER

REWRITTEN_AT_ONCE = 2000  # rows handed on in one call after a loss: well under a millisecond
MOST_WAITING = 512  # batches; more wait only while the log is read again in silence

Rows = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Newest:
    """Features of entities, one row each: offset and event time of the payment they were made for."""

    ids: list[bytes]
    offsets: Ints
    times: Ints
    rows: Rows


class Sink(Protocol):
    """Where the newest features go."""

    def offer(self, partition: int, newest: Newest) -> None:
        """Take rows; must not wait."""

    def has_room(self, partition: int) -> bool:
        """Tell whether rows that are written again may come now."""

    def is_lost(self, partition: int) -> bool:
        """Tell, once for each loss, whether all rows of a partition are to be offered again."""

    def release(self, partition: int) -> None:
        """Forget a partition."""

    def close(self) -> None:
        """Stop."""


@dataclass(slots=True)
class _Table:
    offsets: Ints
    times: Ints
    rows: Rows
    ids: Sequence[bytes] = ()
    waiting: deque[tuple[int, Newest]] = field(default_factory=deque)
    durable: int = 0
    rewritten: int | None = None
    """Rows below this number are written again; None when all are."""
    rewrite_due: int = 0
    """The offset that must be durable before rows are written again."""
    memory: WarmMemory = field(default_factory=WarmMemory)


class NewestRows:
    """For each partition the features of each entity's payment of the highest event time.

    Of two payments of the same event time the later in the log stands.
    """

    def __init__(self, width: int, sink: Sink) -> None:
        self._width, self._sink = width, sink
        self._tables: dict[int, _Table] = {}

    def take(
        self, partition: int, ids: list[bytes], numbers: Ints, offsets: Ints, times: Ints, rows: Rows
    ) -> None:
        """Take the features of payments in the order of the log; they wait for `acknowledged`."""
        table = self._table(partition)
        _hold(table, ids)
        _keep(numbers, offsets, times, rows, (table.offsets, table.times, table.rows))
        last = np.flatnonzero(table.offsets[numbers] == offsets)
        newest = Newest([ids[at] for at in numbers[last].tolist()], offsets[last], times[last], rows[last])
        end = int(offsets[-1]) + 1
        table.waiting.append((end, newest))
        if len(table.waiting) > MOST_WAITING:
            table.waiting.clear()
            table.rewritten, table.rewrite_due = 0, end

    def acknowledged(self, partition: int, offset: int) -> None:
        """Hand on what lies below an offset."""
        self._table(partition).durable = offset
        self.hand_on()

    def hand_on(self) -> None:
        """Hand on what is durable, and after a loss of the cache also a part of all rows."""
        for partition, table in self._tables.items():
            while table.waiting and table.waiting[0][0] <= table.durable:
                self._sink.offer(partition, table.waiting.popleft()[1])
            if self._sink.is_lost(partition):
                table.rewritten = 0
            is_due = table.rewritten is not None and table.durable >= table.rewrite_due
            if is_due and self._sink.has_room(partition):
                self._rewrite(partition, table)

    def _rewrite(self, partition: int, table: _Table) -> None:
        first = table.rewritten or 0
        end = min(first + REWRITTEN_AT_ONCE, len(table.ids))
        _hold_number(table, end)
        # A row that is not durable yet is also among those that wait.
        is_due = (table.times[first:end] > NEVER) & (table.offsets[first:end] < table.durable)
        chosen = first + np.flatnonzero(is_due)
        ids = [table.ids[at] for at in chosen.tolist()]
        self._sink.offer(
            partition, Newest(ids, table.offsets[chosen], table.times[chosen], table.rows[chosen])
        )
        table.rewritten = end if end < len(table.ids) else None

    def snapshot(self, partition: int, entities: int) -> dict[str, Array]:
        """Return the rows of all entities, in memory that the next snapshot writes again."""
        table = self._table(partition)
        _hold_number(table, entities)
        arrays: dict[str, Array] = {
            "newest_offsets": table.offsets,
            "newest_times": table.times,
            "newest_rows": table.rows,
        }
        return {name: table.memory.copy(name, array[:entities]) for name, array in arrays.items()}

    def restore(self, partition: int, arrays: Mapping[str, Array], alive: Mask, ids: list[bytes]) -> None:
        """Take over the rows of the entities that are alive; all are handed on again."""
        table = self._tables[partition] = self._empty()
        table.ids, table.rewritten = ids, 0
        if "newest_rows" in arrays:
            table.offsets = arrays["newest_offsets"][alive]
            table.times = arrays["newest_times"][alive]
            table.rows = arrays["newest_rows"][alive]
            # A checkpoint is written when its outputs are durable.
            table.durable = int(table.offsets.max(initial=-1)) + 1

    def release(self, partition: int) -> None:
        """Forget a partition."""
        self._tables.pop(partition, None)
        self._sink.release(partition)

    def close(self) -> None:
        """Stop the sink."""
        self._sink.close()

    def _table(self, partition: int) -> _Table:
        if partition not in self._tables:
            self._tables[partition] = self._empty()
        return self._tables[partition]

    def _empty(self) -> _Table:
        return _Table(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, self._width), np.float32))


@compiled
def _keep(numbers: Ints, offsets: Ints, times: Ints, rows: Rows, kept: tuple[Ints, Ints, Rows]) -> None:
    kept_offsets, kept_times, kept_rows = kept
    for row in range(len(numbers)):
        entity = numbers[row]
        if times[row] >= kept_times[entity]:
            kept_offsets[entity], kept_times[entity] = offsets[row], times[row]
            for column in range(rows.shape[1]):
                kept_rows[entity, column] = rows[row, column]


def _hold(table: _Table, ids: list[bytes]) -> None:
    table.ids = ids
    _hold_number(table, len(ids))


def _hold_number(table: _Table, entities: int) -> None:
    held = len(table.times)
    if held < entities:
        table.offsets = enlarged(table.offsets, 2 * entities)
        table.times = enlarged(table.times, 2 * entities)
        table.times[held:] = NEVER
        table.rows = enlarged(table.rows, 2 * entities)
