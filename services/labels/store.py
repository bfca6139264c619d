"""What the join remembers of one partition, in RocksDB.

Keys: ``s`` + id: a score as framed bytes after its 16 bytes of place and event time; ``l`` + id: the
versions of its label; ``h`` + due time + id: scores that wait for their horizon; ``e`` + time + id: what
is forgotten at the end of the correction horizon; ``m``: offsets, watermark and sweep mark.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from rocksdict import ReadOptions, WriteBatch

from shared.stream.rocks import opened

_SCORE = struct.Struct(">qq")


class Version(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A version of a label: when it was given, what it says, from whom, and where it lies."""

    label_time: int
    is_fraud: bool
    origin: str
    offset: int
    accepted_ms: int = 0


class Mark(msgspec.Struct, array_like=True):
    """How far the store has come: next offset by topic, the watermark, and what was swept for good."""

    applied: dict[str, int] = {}
    watermark: int = 0
    swept: int = 0
    forgotten: int = 0


class Score(msgspec.Struct, frozen=True):
    """A score with its place in its partition."""

    offset: int
    event_time: int
    value: bytes


class Store:
    """The join's memory of one partition; every batch is one atomic write."""

    def __init__(self, folder: Path) -> None:
        self._rows = opened(folder)
        content = self._rows.get(b"m")
        self.mark = msgspec.msgpack.decode(content, type=Mark) if content else Mark()
        self._writes = WriteBatch(raw_mode=True)
        self._fresh: dict[bytes, bytes | None] = {}

    def scores(self, ids: Sequence[bytes]) -> list[Score | None]:
        """Return the scores of transactions, None where there is none."""
        return [_score(content) for content in self._get([b"s" + each for each in ids])]

    def labels(self, ids: Sequence[bytes]) -> list[list[Version]]:
        """Return the label versions of transactions, in the order of their times."""
        return [_versions(content) for content in self._get([b"l" + each for each in ids])]

    def put_score(self, name: bytes, score: Score, horizon: int, end: int) -> None:
        """Remember a score, due at its horizon and forgotten at ``end``."""
        self._put(b"s" + name, _SCORE.pack(score.offset, score.event_time) + score.value)
        self._put(_timed(b"h", score.event_time + horizon, name), b"")
        self._put(_timed(b"e", score.event_time + end, name), b"")

    def put_labels(self, name: bytes, versions: Sequence[Version], end: int) -> None:
        """Remember the label versions of a transaction until ``end`` after the last of them."""
        self._put(b"l" + name, msgspec.msgpack.encode(list(versions)))
        self._put(_timed(b"e", versions[-1].label_time + end, name), b"")

    def due(self, kind: bytes, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield time and id of what is due in [first, last): ``h`` horizons, ``e`` ends."""
        walk = self._rows.iter(ReadOptions())
        walk.seek(_timed(kind, max(first, 0), b""))
        while walk.valid():
            key = walk.key()
            if key[:1] != kind or _time(key) >= last:
                return
            yield _time(key), key[9:]
            walk.next()

    def forget(self, name: bytes, time: int) -> None:
        """Drop a score, its labels and its end."""
        for key in (b"s" + name, b"l" + name, _timed(b"e", time, name)):
            self._writes.delete(key)
            self._fresh[key] = None

    def drop_due(self, time: int, name: bytes) -> None:
        """Drop a horizon whose example is durable."""
        self._writes.delete(_timed(b"h", time, name))

    def write(self) -> None:
        """Write everything since the last call at once, with the mark."""
        self._writes.put(b"m", msgspec.msgpack.encode(self.mark))
        self._rows.write(self._writes)
        self._writes = WriteBatch(raw_mode=True)
        self._fresh.clear()

    def close(self) -> None:
        """Close the files."""
        self._rows.close()

    def _put(self, key: bytes, content: bytes) -> None:
        self._writes.put(key, content)
        self._fresh[key] = content

    def _get(self, keys: list[bytes]) -> list[bytes | None]:
        found = cast(list[bytes | None], self._rows.get(cast(Any, keys)))
        return [self._fresh.get(key, content) for key, content in zip(keys, found, strict=True)]


def _score(content: bytes | None) -> Score | None:
    if content is None:
        return None
    offset, event_time = _SCORE.unpack_from(content)
    return Score(offset, event_time, content[_SCORE.size :])


def _versions(content: bytes | None) -> list[Version]:
    return msgspec.msgpack.decode(content, type=list[Version]) if content else []


def _timed(kind: bytes, time: int, name: bytes) -> bytes:
    return kind + time.to_bytes(8, "big") + name


def _time(key: bytes) -> int:
    return int.from_bytes(key[1:9], "big")
