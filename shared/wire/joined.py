"""Records as one array of bytes, for functions that take a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Joined:
    """Records one after the other: row i ends before ``ends[i]``, where the next begins."""

    content: bytes
    ends: Ints

    @property
    def bytes(self) -> Bytes:
        """The content as numbers."""
        return np.frombuffer(self.content, np.uint8)

    def __len__(self) -> int:
        return len(self.ends)


def join(values: Sequence[bytes]) -> Joined:
    """Join records.

    Examples
    --------
    >>> join([b"ab", b"c"]).ends.tolist()
    [2, 3]
    """
    return Joined(b"".join(values), np.cumsum(np.fromiter(map(len, values), np.int64, len(values))))


def split(content: bytes, ends: Ints) -> list[bytes]:
    """Return records from their joined form.

    Examples
    --------
    >>> split(b"7anna", np.array([1, 5]))
    [b'7', b'anna']
    """
    places = ends.tolist()
    return [content[first:last] for first, last in zip([0, *places], places, strict=False)]
