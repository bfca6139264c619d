"""Entities as dense numbers."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class EntityIndex(dict[bytes, int]):
    """A number for each entity, given in the order in which they first appear."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[bytes] = []
        self._content = bytearray()
        self._ends = array("q")

    def __missing__(self, entity_id: bytes) -> int:
        number = self[entity_id] = len(self.ids)
        self.ids.append(entity_id)
        self._content += entity_id
        self._ends.append(len(self._content))
        return number

    def numbers(self, entity_ids: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Return the numbers of entities; those not seen before are given one."""
        return np.fromiter(map(self.__getitem__, entity_ids), np.int64, len(entity_ids))

    def joined(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return views of all ids joined and of where each ends; drop them before an id is added."""
        return np.frombuffer(self._content, np.uint8), np.frombuffer(self._ends, np.int64)

    @classmethod
    def from_ids(cls, entity_ids: Sequence[bytes]) -> EntityIndex:
        """Return the index of these entities, numbered from 0."""
        index = cls()
        index.numbers(entity_ids)
        return index
