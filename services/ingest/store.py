"""What ingest remembers of one raw partition, in RocksDB.

Keys: ``p`` + id: where a payment was first seen, its event time and a digest of its content;
``t`` + time + offset: the ids that a batch added, for forgetting them; ``w`` + topic + offset: how far
event time was before that offset; ``m``: next offset of each topic.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt
from rocksdict import ReadOptions, WriteBatch

from shared.stream.rocks import opened

_NO_ENTRY = struct.pack(">qqq", -1, 0, 0)
_MARK = struct.Struct(">qq")
_LEAST = -(1 << 63)
ENTRY_BYTES = len(_NO_ENTRY)
Ints = npt.NDArray[np.int64]


class Entries(NamedTuple):
    """The first payment of each of several ids: offset (-1 for none), event time (microseconds), digest."""

    offsets: Ints
    event_times: Ints
    digests: Ints
    is_fresh: npt.NDArray[np.bool_]
    """Which of them are not in the store yet."""


class Mark(NamedTuple):
    """The highest event time (microseconds) and the broker time (milliseconds) of its record."""

    event_time: int
    accepted_ms: int


class Store:
    """The memory of one partition; every batch is one atomic write with the offsets it came from."""

    def __init__(self, folder: Path) -> None:
        (self._rows,) = opened(folder)
        content = self._rows.get(b"m")
        self.applied: dict[str, int] = msgspec.msgpack.decode(content) if content else {}
        self._writes = WriteBatch(raw_mode=True)
        # Where what may be forgotten begins: RocksDB walks slowly over keys that it has dropped.
        self._first_time = _LEAST
        self._first_marks: dict[str, bytes] = {}

    def entries(self, ids: Sequence[bytes]) -> Entries:
        """Return what is known of ids."""
        found = cast(list[bytes | None], self._rows.get(cast(Any, [b"p" + each for each in ids])))
        content = b"".join([_NO_ENTRY if each is None else each for each in found])
        columns = np.frombuffer(content, ">i8").reshape(-1, 3).T.astype(np.int64)
        return Entries(columns[0], columns[1], columns[2], np.zeros(len(ids), np.bool_))

    def put(self, ids: Sequence[bytes], entries: Entries) -> None:
        """Remember the fresh ones among the entries of ids."""
        rows = np.flatnonzero(entries.is_fresh)
        if not rows.size:
            return
        content = np.stack(entries[:3], axis=1)[rows].astype(">i8").tobytes()
        names = [ids[row] for row in rows.tolist()]
        for at, name in enumerate(names):
            self._writes.put(b"p" + name, content[at * ENTRY_BYTES : (at + 1) * ENTRY_BYTES])
        newest, last = int(entries.event_times[rows].max()), int(entries.offsets[rows].max())
        self._writes.put(b"t" + _ordered(newest) + _ordered(last), msgspec.msgpack.encode(names))
        self._first_time = min(self._first_time, newest)

    def mark(self, topic: str, offset: int) -> Mark | None:
        """Return how far event time was before ``offset``, None at the start of the log."""
        walk = self._rows.iter(ReadOptions())
        prefix = _topic_key(topic)
        walk.seek_for_prev(prefix + _ordered(offset))
        if not walk.valid() or not walk.key().startswith(prefix):
            return None
        return Mark(*_MARK.unpack(walk.value()))

    def put_mark(self, topic: str, following: int, mark: Mark | None) -> None:
        """Remember how far event time is before the offset ``following``, and that all below is applied."""
        self.applied[topic] = following
        if mark is not None:
            self._writes.put(_topic_key(topic) + _ordered(following), _MARK.pack(*mark))

    def forget(self, topic: str, offset: int, before: int) -> None:
        """Drop ids with event times below ``before`` and the marks that no restart can need."""
        for key, content in self._range(b"t" + _ordered(self._first_time), b"t" + _ordered(before)):
            names = msgspec.msgpack.decode(content, type=list[bytes])
            entries = self.entries(names)
            is_past = (entries.offsets >= 0) & (entries.event_times < before)
            for row in np.flatnonzero(is_past).tolist():
                self._writes.delete(b"p" + names[row])
            self._writes.delete(key)
        self._first_time = max(self._first_time, before)
        first = self._first_marks.get(topic, _topic_key(topic))
        marks = [key for key, _ in self._range(first, _topic_key(topic) + _ordered(offset))]
        for key in marks[:-1]:
            self._writes.delete(key)
        self._first_marks[topic] = marks[-1] if marks else first

    def write(self) -> None:
        """Write everything since the last call at once."""
        self._writes.put(b"m", msgspec.msgpack.encode(self.applied))
        self._rows.write(self._writes)
        self._writes = WriteBatch(raw_mode=True)

    def close(self) -> None:
        """Close the files."""
        self._rows.close()

    def _range(self, first: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        found = []
        walk = self._rows.iter(ReadOptions())
        walk.seek(first)
        while walk.valid() and walk.key() < end:
            found.append((walk.key(), walk.value()))
            walk.next()
        return found


def _topic_key(topic: str) -> bytes:
    return b"w" + topic.encode() + b"\0"


def _ordered(number: int) -> bytes:
    return (number - _LEAST).to_bytes(8, "big")
