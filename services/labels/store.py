"""What the join remembers of one partition, in RocksDB.

Keys: ``r`` + event time + id: a score as framed bytes after its offset, where it is met in the order in
which horizons pass; ``i`` + id: the event time of its score; ``e`` + time + id: labels that are forgotten
at the end of the correction horizon; ``m3``: offsets, watermark and sweep mark. A store without it, as of
an older layout, is filled again from the log. The versions of a label stand by id in a family of their own:
nearly all payments that are asked for have none, and its few files tell that at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from rocksdict import Rdict, ReadOptions, WriteBatch

from shared.stream.rocks import opened

_OFFSET = struct.Struct(">q")
_MARK = b"m3"
TIMED_BYTES = 9  # of a kind and a time
LABELS = "labels"


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


class Score(msgspec.Struct, frozen=True):
    """A score with its place in its partition."""

    offset: int
    event_time: int
    value: bytes


class Store:
    """The join's memory of one partition; every batch is one atomic write."""

    def __init__(self, folder: Path) -> None:
        self._rows, self._labels = opened(folder, LABELS)
        self._family = self._rows.get_column_family_handle(LABELS)
        content = self._rows.get(_MARK)
        self.mark = msgspec.msgpack.decode(content, type=Mark) if content else Mark()
        self._writes = WriteBatch(raw_mode=True)
        self._fresh: dict[bytes, bytes | None] = {}
        self._fresh_labels: dict[bytes, bytes | None] = {}

    def scores(self, ids: Sequence[bytes]) -> list[Score | None]:
        """Return the scores of transactions, None where there is none."""
        times = _found(self._rows, [b"i" + each for each in ids], self._fresh)
        keys = [b"r" + time + each if time else b"" for time, each in zip(times, ids, strict=True)]
        pairs = zip(keys, _found(self._rows, keys, self._fresh), strict=True)
        return [_score(key, content) if content is not None else None for key, content in pairs]

    def labels(self, ids: Sequence[bytes]) -> list[list[Version]]:
        """Return the label versions of transactions, in the order of their times."""
        found = _found(self._labels, list(ids), self._fresh_labels)
        return [_versions(content) if content else [] for content in found]

    def put_score(self, name: bytes, score: Score) -> None:
        """Remember a score."""
        key = _timed(b"r", score.event_time, name)
        self._put(key, _OFFSET.pack(score.offset) + score.value)
        self._put(b"i" + name, key[1:TIMED_BYTES])

    def put_labels(self, name: bytes, versions: Sequence[Version], end: int) -> None:
        """Remember the label versions of a transaction until ``end`` after the last of them."""
        self._keep_label(name, msgspec.msgpack.encode(list(versions)))
        self._put(_timed(b"e", versions[-1].label_time + end, name), b"")

    def scores_between(self, first: int, last: int) -> Iterator[tuple[bytes, Score]]:
        """Yield id and score of the payments of [first, last), in the order of their event times.

        Of those that were written: what was put since is not among them.
        """
        for key, content in self._range(b"r", first, last):
            yield key[TIMED_BYTES:], _score(key, content)

    def label_ends(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the ids of labels that are forgotten in [first, last)."""
        for key, _ in self._range(b"e", first, last):
            yield key[TIMED_BYTES:]

    def forget(self, scores: tuple[int, int], labels: tuple[int, int]) -> None:
        """Drop the scores of payments from a first to before a last time, and labels by their ends."""
        for key, _ in self._range(b"r", *scores):
            self._drop(key, b"i" + key[TIMED_BYTES:])
            self._keep_label(key[TIMED_BYTES:], None)
        for key, _ in self._range(b"e", *labels):
            self._drop(key)
            self._keep_label(key[TIMED_BYTES:], None)

    def write(self) -> None:
        """Write everything since the last call at once, with the mark."""
        self._writes.put(_MARK, msgspec.msgpack.encode(self.mark))
        self._rows.write(self._writes)
        self._writes = WriteBatch(raw_mode=True)
        self._fresh.clear()
        self._fresh_labels.clear()

    def close(self) -> None:
        """Close the files."""
        del self._family  # which would keep them open
        self._labels.close()
        self._rows.close()

    def _put(self, key: bytes, content: bytes) -> None:
        self._writes.put(key, content)
        self._fresh[key] = content

    def _keep_label(self, name: bytes, content: bytes | None) -> None:
        if content is None:
            self._writes.delete(name, self._family)
        else:
            self._writes.put(name, content, self._family)
        self._fresh_labels[name] = content

    def _drop(self, *keys: bytes) -> None:
        for key in keys:
            self._writes.delete(key)
            self._fresh[key] = None

    def _range(self, kind: bytes, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        end = _timed(kind, max(last, 0), b"")
        walk = self._rows.iter(ReadOptions())
        walk.seek(_timed(kind, max(first, 0), b""))
        while walk.valid() and (key := walk.key()) < end:
            yield key, walk.value()
            walk.next()


def _found(rows: Rdict, keys: list[bytes], fresh: Mapping[bytes, bytes | None]) -> list[bytes | None]:
    found = cast(list[bytes | None], rows.get(cast(Any, keys)))
    return [fresh.get(key, content) for key, content in zip(keys, found, strict=True)]


def _score(key: bytes, content: bytes) -> Score:
    event_time = int.from_bytes(key[1:TIMED_BYTES], "big")
    (offset,) = _OFFSET.unpack_from(content)
    return Score(offset, event_time, content[_OFFSET.size :])


def _versions(content: bytes) -> list[Version]:
    return msgspec.msgpack.decode(content, type=list[Version])


def _timed(kind: bytes, time: int, name: bytes) -> bytes:
    return kind + time.to_bytes(8, "big") + name
