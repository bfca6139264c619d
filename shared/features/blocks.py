"""Rows of many entities in one arena, compiled.

An entity's rows lie sorted by time in one block of an arena. Blocks come in sizes 4, 6, 8, 12, 16, ...
with a free list for each; expired rows leave when a block is full, before it grows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]

TIME, SUM = 0, 1  # columns of payments
ID, LABEL_TIME, LABEL = 1, 2, 3  # columns of outcomes, after TIME
SUMMED = 2  # columns of payments whose amounts are summed; others have one, outcomes four
CLASSES = 64
FREED, TOP = CLASSES, CLASSES + 1  # after the heads of the free lists: slots in them, first slot never used
SMALLEST_BLOCK = 4
LINE_SLOTS, READS = 4, 4  # slots in a line of memory; of a large block two to the power of so many are read
WORTH_KEEPING = 8  # a full block stays as it is when an eighth of it has expired


class Blocks(NamedTuple):
    """Rows of entities: ``start``, ``length`` and size class (0: no block) of each entity's block.

    ``values`` holds one number a row, or nothing.
    """

    start: Ints
    length: npt.NDArray[np.int32]
    size: npt.NDArray[np.int8]
    slots: Ints
    values: Rows
    free: Ints


@compiled
def block_slots(size: int) -> Any:
    """Return the slots of a block of a size class: 0, 4, 6, 8, 12, 16, 24, ..."""
    if size == 0:
        return 0
    base = SMALLEST_BLOCK << ((size - 1) >> 1)
    return base + (base >> 1) * ((size - 1) & 1)


@compiled
def upper_bound(blocks: Blocks, entity: int, time: int) -> Any:
    """Return how many rows of the entity have a time up to and with ``time``."""
    start, low, high = blocks.start[entity], 0, blocks.length[entity]
    while low < high:
        middle = (low + high) >> 1
        if blocks.slots[start + middle, TIME] <= time:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def touch(blocks: Blocks, entities: Ints) -> Any:
    """Read here and there in the blocks of entities; return a number without meaning.

    Of a large state each read waits for memory. Here they wait side by side; in a search, where each depends
    on the one before, in a row.
    """
    read = 0
    for entity in entities:
        read += blocks.start[entity] + blocks.length[entity] + blocks.size[entity]
    for entity in entities:
        start, length = blocks.start[entity], blocks.length[entity]
        for slot in range(start, start + length, max(length >> READS, LINE_SLOTS)):
            read += blocks.slots[slot, TIME]
    return read


@compiled
def move(blocks: Blocks, source: int, target: int, count: int) -> None:
    """Move rows to a place further down, or to one that does not overlap."""
    for i in range(count):
        for column in range(blocks.slots.shape[1]):
            blocks.slots[target + i, column] = blocks.slots[source + i, column]
    if len(blocks.values):
        for i in range(count):
            blocks.values[target + i] = blocks.values[source + i]


@compiled
def _take_block(blocks: Blocks, size: int) -> Any:
    head = blocks.free[size]
    slots = block_slots(size)
    if head >= 0:
        blocks.free[size] = blocks.slots[head, TIME]
        blocks.free[FREED] -= slots
        return head
    top = blocks.free[TOP]
    if top + slots > blocks.slots.shape[0]:
        return -1
    blocks.free[TOP] = top + slots
    return top


@compiled
def give_back(blocks: Blocks, entity: int) -> None:
    """Put the entity's block on its free list."""
    size = blocks.size[entity]
    if size > 0:
        blocks.slots[blocks.start[entity], TIME] = blocks.free[size]
        blocks.free[size] = blocks.start[entity]
        blocks.free[FREED] += block_slots(size)
    blocks.size[entity] = 0


@compiled
def make_room(blocks: Blocks, entity: int, cutoff: int) -> bool:
    """Make sure that the entity's block has a free slot; False when the arena is full."""
    length, start, size = blocks.length[entity], blocks.start[entity], blocks.size[entity]
    if length < block_slots(size):
        return True
    dropped = upper_bound(blocks, entity, cutoff)
    if dropped and blocks.slots.shape[1] == SUMMED:
        base = blocks.slots[start + dropped - 1, SUM]
        for i in range(start, start + length):
            blocks.slots[i, SUM] -= base
    kept = length - dropped
    if dropped and dropped * WORTH_KEEPING >= length:
        move(blocks, start + dropped, start, kept)
        blocks.length[entity] = kept
        return True
    fresh = _take_block(blocks, size + 1)
    if fresh < 0:
        return False
    move(blocks, start + dropped, fresh, kept)
    give_back(blocks, entity)
    blocks.start[entity], blocks.length[entity], blocks.size[entity] = fresh, kept, size + 1
    return True


@compiled
def open_row(blocks: Blocks, entity: int, at: int) -> Any:
    """Return the slot of a fresh row before the entity's row ``at``; its block must have room."""
    start, length = blocks.start[entity], blocks.length[entity]
    for i in range(start + length, start + at, -1):
        for column in range(blocks.slots.shape[1]):
            blocks.slots[i, column] = blocks.slots[i - 1, column]
        if len(blocks.values):
            blocks.values[i] = blocks.values[i - 1]
    blocks.length[entity] = length + 1
    return start + at


@compiled
def slide(blocks: Blocks, order: Ints) -> None:
    """Close the gaps between blocks; ``order`` has the entities that have a block, by ``start``."""
    top = 0
    for entity in order:
        if blocks.start[entity] != top:
            move(blocks, blocks.start[entity], top, blocks.length[entity])
            blocks.start[entity] = top
        top += block_slots(blocks.size[entity])
    blocks.free[:CLASSES] = -1
    blocks.free[FREED], blocks.free[TOP] = 0, top


@compiled
def pack(blocks: Blocks, cutoff: int, slots: Ints, values: Rows, counts: Ints) -> Any:
    """Copy the rows after ``cutoff`` one entity after the other; return their number.

    An entity that has none left gives its block back.
    """
    top = 0
    for entity in range(len(counts)):
        first = upper_bound(blocks, entity, cutoff)
        start, kept = blocks.start[entity], blocks.length[entity] - first
        base = blocks.slots[start + first - 1, SUM] if first and blocks.slots.shape[1] == SUMMED else 0
        for i in range(kept):
            for column in range(blocks.slots.shape[1]):
                slots[top + i, column] = blocks.slots[start + first + i, column]
            if base:
                slots[top + i, SUM] -= base
            if len(blocks.values):
                values[top + i] = blocks.values[start + first + i]
        if kept == 0:
            give_back(blocks, entity)
            blocks.length[entity] = 0
        counts[entity] = kept
        top += kept
    return top


@compiled
def unpack(blocks: Blocks, slots: Ints, values: Rows, counts: Ints) -> None:
    """Lay out packed rows as blocks; the arena must have room for them."""
    top = 0
    for entity in range(len(counts)):
        count = counts[entity]
        size = 0
        while block_slots(size) < count:
            size += 1
        start = _take_block(blocks, size) if size > 0 else 0
        blocks.start[entity], blocks.length[entity], blocks.size[entity] = start, count, size
        for i in range(count):
            for column in range(slots.shape[1]):
                blocks.slots[start + i, column] = slots[top + i, column]
            if len(blocks.values):
                blocks.values[start + i] = values[top + i]
        top += count
