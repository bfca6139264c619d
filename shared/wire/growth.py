"""Records that grow by appended bytes, and the ``source`` at their front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.wire.framing import HEADER_BYTES, SOURCE_BYTES, header

BODY_AT = HEADER_BYTES + SOURCE_BYTES
_FRONT = np.dtype([("header", f"V{HEADER_BYTES}"), ("partition", ">i4"), ("offset", ">i8")])
_SOURCE = np.dtype([("partition", ">i4"), ("offset", ">i8")])


def sources(values: Sequence[bytes]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return partition and offset of the input records from which framed records were made."""
    positions = np.frombuffer(b"".join([value[HEADER_BYTES:BODY_AT] for value in values]), _SOURCE)
    return positions["partition"].astype(np.int32), positions["offset"].astype(np.int64)


def source_bytes(partition: int, offset: int) -> bytes:
    """Return the 12 bytes of one ``source``.

    Examples
    --------
    >>> source_bytes(3, 258).hex()
    '000000030000000000000102'
    """
    return partition.to_bytes(4, "big", signed=True) + offset.to_bytes(8, "big", signed=True)


def grow(
    values: Sequence[bytes],
    output: str,
    partitions: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    appended: Sequence[bytes] | npt.NDArray[np.uint8],
) -> list[bytes]:
    """Return framed records as schema ``output``: new source in front, ``appended`` at the end.

    Parameters
    ----------
    values
        Framed records that begin with a source.
    partitions, offsets
        Where these records lie: the new sources, shape (n,).
    appended
        Avro bytes of the new fields, one element or row a record.
    """
    front = np.empty(len(values), _FRONT)
    front["header"] = np.void(header(output))
    front["partition"] = partitions
    front["offset"] = offsets
    fronts = front.tobytes()
    ends = appended if not isinstance(appended, np.ndarray) else _rows(appended)
    return [
        fronts[at : at + BODY_AT] + value[BODY_AT:] + end
        for at, value, end in zip(range(0, len(fronts), BODY_AT), values, ends, strict=True)
    ]


def float_block(matrix: npt.NDArray[np.float32], version: int) -> npt.NDArray[np.uint8]:
    """Return the Avro bytes of an array of floats followed by an int, one row a record.

    Parameters
    ----------
    matrix
        Shape (n, k), k > 0.
    version
        The int: the number of the features.toml that made the values.
    """
    count, end = long_bytes(matrix.shape[1]), b"\0" + long_bytes(version)
    floats = 4 * matrix.shape[1]
    block = np.empty((len(matrix), len(count) + floats + len(end)), np.uint8)
    block[:, : len(count)] = np.frombuffer(count, np.uint8)
    block[:, len(count) : len(count) + floats] = np.ascontiguousarray(matrix, "<f4").view(np.uint8)
    block[:, len(count) + floats :] = np.frombuffer(end, np.uint8)
    return block


def long_bytes(number: int) -> bytes:
    """Return an Avro int or long: zigzag, then seven bits a byte, least significant first.

    Examples
    --------
    >>> long_bytes(-1).hex(), long_bytes(64).hex()
    ('01', '8001')
    """
    rest = (number << 1) ^ (number >> 63)
    content = bytearray()
    while rest > 0x7F:
        content.append(rest & 0x7F | 0x80)
        rest >>= 7
    content.append(rest)
    return bytes(content)


def _rows(matrix: npt.NDArray[np.uint8]) -> list[bytes]:
    width = matrix.shape[1]
    content = np.ascontiguousarray(matrix).tobytes()
    return [content[at : at + width] for at in range(0, len(content), width)] if width else []
