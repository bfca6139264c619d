"""The time of each record, found without decoding the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numba
import numpy as np
import numpy.typing as npt

import schemas
from shared.wire.framing import HEADER_BYTES, WireError, schema_name

_STRING, _NUMBER, _FIXED = 0, 1, 2
LONGEST_FRONT_BYTES = 4096  # ids are far shorter than this


def event_times(values: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """Return the first time field of framed records of one schema: event_time, of labels label_time.

    Returns
    -------
    numpy.ndarray
        Microseconds UTC, shape (n,).
    """
    kinds, sizes = _fields_before_time(schema_name(values[0]))
    fronts = [value[HEADER_BYTES:LONGEST_FRONT_BYTES] for value in values]
    ends = np.cumsum(np.fromiter(map(len, fronts), np.int64, len(fronts)))
    return _times(np.frombuffer(b"".join(fronts), np.uint8), ends, kinds, sizes)


@cache
def _fields_before_time(name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    kinds: list[int] = []
    sizes: list[int] = []
    for field in schemas.avro(name)["fields"]:
        kind = field["type"]
        is_named = isinstance(kind, dict)
        if is_named and kind.get("logicalType") == "timestamp-micros":
            return np.array(kinds, np.int64), np.array(sizes, np.int64)
        if is_named and kind["type"] == "fixed":
            kinds.append(_FIXED)
            sizes.append(kind["size"])
        else:
            kinds.append(_STRING if kind == "string" else _NUMBER)
            sizes.append(0)
    raise WireError(f"{name} has no time")


@numba.njit(cache=True)
def _long(content: npt.NDArray[np.uint8], at: np.int64) -> tuple[np.int64, np.int64]:
    result, shift = np.uint64(0), np.uint64(0)
    while True:
        byte = np.uint64(content[at])
        at += np.int64(1)
        result |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            break
        shift += np.uint64(7)
    return np.int64(result >> np.uint64(1)) ^ -np.int64(result & np.uint64(1)), at


@numba.njit(cache=True)
def _times(
    content: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    times = np.empty(len(ends), np.int64)
    start = np.int64(0)
    for row in range(len(ends)):
        at = start
        for field in range(len(kinds)):
            if kinds[field] == 2:
                at += sizes[field]
                continue
            number, at = _long(content, at)
            if kinds[field] == 0:
                at += number
        times[row], at = _long(content, at)
        start = ends[row]
    return times
