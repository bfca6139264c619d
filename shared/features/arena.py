"""The memory of an entity's rows: reserved without being touched, closed up when it has many gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.features import blocks
from shared.features.blocks import Blocks

Array = npt.NDArray[Any]
RESERVED_SLOTS = 1 << 22  # address space only: a page is taken when it is first written
RESERVED_ENTITIES = 1 << 16
GAPS_WORTH_CLOSING = 4  # a quarter of the arena: then closing them costs less than what they hold
FEW_SLOTS = 1 << 14  # below this gaps do not matter


class Arena:
    """Blocks that grow."""

    def __init__(self, columns: int, has_values: bool, reserved: int = RESERVED_SLOTS) -> None:
        free = np.full(blocks.CLASSES + 2, -1, np.int64)
        free[blocks.CLASSES :] = 0
        self.blocks = Blocks(
            start=np.zeros(RESERVED_ENTITIES, np.int64),
            length=np.zeros(RESERVED_ENTITIES, np.int32),
            size=np.zeros(RESERVED_ENTITIES, np.int8),
            slots=np.zeros((reserved, columns), np.int64),
            values=np.zeros(reserved if has_values else 0, np.float32),
            free=free,
        )

    def hold(self, entities: int) -> None:
        """Make sure that entities up to this number can have a block."""
        held = len(self.blocks.start)
        if entities > held:
            names = ("start", "length", "size")
            grown = {name: enlarged(getattr(self.blocks, name), 2 * entities) for name in names}
            self.blocks = self.blocks._replace(**grown)

    def reserve(self, slots: int) -> None:
        """Make sure that the arena has at least so many slots."""
        now = self.blocks
        if slots > len(now.slots):
            values = enlarged(now.values, slots) if len(now.values) else now.values
            self.blocks = now._replace(slots=enlarged(now.slots, slots), values=values)

    def enlarge(self) -> None:
        """Make room after a block found none."""
        self.close_gaps()
        if self.blocks.free[blocks.TOP] * 2 > len(self.blocks.slots):
            self.reserve(2 * len(self.blocks.slots))

    def tidy(self) -> None:
        """Close the gaps between blocks when they hold a quarter of the arena."""
        freed, top = self.blocks.free[blocks.FREED], self.blocks.free[blocks.TOP]
        if top > FEW_SLOTS and freed * GAPS_WORTH_CLOSING > top:
            self.close_gaps()

    def close_gaps(self) -> None:
        """Slide all blocks together."""
        held = np.flatnonzero(self.blocks.size)
        blocks.slide(self.blocks, held[np.argsort(self.blocks.start[held])])

    @property
    def retained(self) -> int:
        """How many rows are kept."""
        return int(self.blocks.length.sum())

    @property
    def used_bytes(self) -> int:
        """Bytes of the arena and its entities that were ever written."""
        row = self.blocks.slots.strides[0] + (4 if len(self.blocks.values) else 0)
        return int(self.blocks.free[blocks.TOP]) * row + int((self.blocks.size > 0).sum()) * 13

    def pack(self, entities: int, cutoff: int, memory: WarmMemory, name: str) -> dict[str, Array]:
        """Return the rows after ``cutoff``, one entity after the other, with the number of each."""
        most = int(self.blocks.length[:entities].sum())
        slots = memory.room(f"{name}_rows", most, self.blocks.slots)
        values = memory.room(f"{name}_values", most if len(self.blocks.values) else 0, self.blocks.values)
        counts = memory.room(f"{name}_counts", entities, self.blocks.length)
        kept = blocks.pack(self.blocks, cutoff, slots, values, counts)
        return {f"{name}_rows": slots[:kept], f"{name}_values": values[:kept], f"{name}_counts": counts}

    def unpack(self, arrays: Mapping[str, Array], alive: npt.NDArray[np.bool_], name: str) -> None:
        """Take over the packed rows of the entities that are alive, in an arena that is empty."""
        counts = np.ascontiguousarray(arrays[f"{name}_counts"][alive])
        self.hold(len(counts))
        self.reserve(2 * len(arrays[f"{name}_rows"]) + blocks.SMALLEST_BLOCK)
        blocks.unpack(self.blocks, arrays[f"{name}_rows"], arrays[f"{name}_values"], counts)


class WarmMemory:
    """Arrays that are written again and again: fresh memory costs sixty times as much to fill."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def room(self, name: str, rows: int, like: Array) -> Array:
        """Return an array of so many rows, formed like another; void after the next call of that name."""
        held = self._arrays.get(name)
        if held is None or len(held) < rows:
            reserved = max(2 * rows, RESERVED_ENTITIES)
            held = self._arrays[name] = np.zeros((reserved, *like.shape[1:]), like.dtype)
        return held[:rows]

    def copy(self, name: str, source: Array) -> Array:
        """Return a copy of an array in the memory of that name."""
        room = self.room(name, len(source), source)
        room[:] = source
        return room


def enlarged(array: Array, rows: int) -> Array:
    """Return an array with more rows, zero where it is new; those are not touched."""
    result = np.zeros((rows, *array.shape[1:]), array.dtype)
    result[: len(array)] = array
    return result
