"""Texts and arrays as Avro writes them; an array is one block."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from shared.wire.growth import long_bytes
from shared.wire.joined import Bytes, Ints

MOST_LONG_BYTES = 10
_NULL, _PRESENT, _END = b"\0", b"\x02", b"\0"


def text_bytes(text: str | bytes) -> bytes:
    """Return a string, given as such or as UTF-8."""
    content = text.encode() if isinstance(text, str) else text
    return long_bytes(len(content)) + content


def optional_text_bytes(text: str | bytes | None) -> bytes:
    """Return a value of the union of null and string."""
    return _NULL if text is None else _PRESENT + text_bytes(text)


def text_array(texts: Sequence[str]) -> bytes:
    """Return an array of strings.

    Examples
    --------
    >>> text_array(["ab", "c"]).hex(" ")
    '04 04 61 62 02 63 00'
    """
    return _block(len(texts), b"".join(map(text_bytes, texts)))


def long_array(numbers: Ints) -> bytes:
    """Return an array of longs or ints.

    Examples
    --------
    >>> long_array(np.array([0, -1, 64])).hex(" ")
    '06 00 01 80 01 00'
    """
    return _block(len(numbers), _zigzag(numbers.astype(np.int64)).tobytes())


def double_array(numbers: npt.NDArray[np.float64]) -> bytes:
    """Return an array of doubles."""
    return _block(len(numbers), numbers.astype("<f8").tobytes())


def _block(count: int, items: bytes) -> bytes:
    return long_bytes(count) + items + _END if count else _END


@numba.njit(cache=True)
def _zigzag(numbers: Ints) -> Bytes:
    found = np.empty(MOST_LONG_BYTES * len(numbers), np.uint8)
    at = 0
    for number in numbers:
        rest = np.uint64((number << 1) ^ (number >> 63))
        while rest > np.uint64(0x7F):
            found[at] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
            rest >>= np.uint64(7)
            at += 1
        found[at] = np.uint8(rest)
        at += 1
    return found[:at]
