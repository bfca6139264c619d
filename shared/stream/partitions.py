"""Which partition a key belongs to, as Java clients choose it."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

_BYTES = numba.types.Array(numba.uint8, 1, "C", readonly=True)


def partitions(keys: Sequence[bytes], count: int) -> npt.NDArray[np.int32]:
    """Return the partition of each key: murmur2 without its sign, modulo the number of partitions.

    The hash is that of Apache Kafka's ``Utils.murmur2``, taken over whole batches.

    Examples
    --------
    >>> partitions([b"21", b"foobar"], 4).tolist()
    [0, 2]
    """
    ends = np.cumsum(np.fromiter(map(len, keys), np.int64, len(keys)))
    return _partitions(np.frombuffer(b"".join(keys), np.uint8), ends, count)


@numba.njit(numba.int64(_BYTES, numba.int64, numba.int64), cache=True)
def _murmur2(content: npt.NDArray[np.uint8], first: int, last: int) -> np.int64:
    mask, mix = np.uint64(0xFFFFFFFF), np.uint64(0x5BD1E995)
    length = last - first
    found = np.uint64(0x9747B28C ^ length)
    for at in range(0, length - length % 4, 4):
        word = np.uint64(0)
        for byte in range(4):
            word |= np.uint64(content[first + at + byte]) << np.uint64(8 * byte)
        word = (word * mix) & mask
        word ^= word >> np.uint64(24)
        word = (word * mix) & mask
        found = ((found * mix) & mask) ^ word
    rest = length % 4
    if rest:
        for byte in range(rest):
            found ^= np.uint64(content[last - rest + byte]) << np.uint64(8 * byte)
        found = (found * mix) & mask
    found ^= found >> np.uint64(13)
    found = (found * mix) & mask
    found ^= found >> np.uint64(15)
    return np.int64(found)


@numba.njit(numba.int32[::1](_BYTES, numba.int64[::1], numba.int64), cache=True)
def _partitions(
    content: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int32]:
    chosen = np.empty(len(ends), np.int32)
    start = 0
    for row in range(len(ends)):
        chosen[row] = (_murmur2(content, start, ends[row]) & 0x7FFFFFFF) % count
        start = ends[row]
    return chosen
