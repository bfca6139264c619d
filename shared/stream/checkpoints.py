"""Checkpoints: a partition's state with the offsets and positions at which it stands."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np

from shared.stream.records import Arrays

KEPT = 2  # the newest, and the one before in case it is damaged
DIGEST_CHARACTERS = 32
META = "_meta"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A partition's state.

    ``offsets``, ``positions`` and ``event_times`` are by input topic without prefix; ``topics`` has
    the broker's id and partition count of each input topic.
    """

    partition: int
    offsets: dict[str, int]
    positions: dict[str, list[int]]
    event_times: dict[str, int]
    topics: dict[str, list[str | int]]
    arrays: Arrays

    def to_bytes(self) -> bytes:
        """Return the checkpoint as an uncompressed npz archive."""
        meta = {
            "partition": self.partition,
            "offsets": self.offsets,
            "positions": self.positions,
            "event_times": self.event_times,
            "topics": self.topics,
        }
        content = io.BytesIO()
        np.savez(content, **{META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}, **self.arrays)  # type: ignore[arg-type]
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """Return the checkpoint of an archive."""
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta: dict[str, Any] = json.loads(arrays.pop(META).tobytes())
        return cls(arrays=arrays, **meta)


class Checkpoints:
    """The checkpoints of one service below a URL (fsspec: a folder or an object store)."""

    def __init__(self, url: str, service: str) -> None:
        self._files, root = fsspec.core.url_to_fs(url)
        self._root = f"{root}/{service}"

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint under a new name that holds its digest; drop those before the last two."""
        content = checkpoint.to_bytes()
        digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]
        folder = self._folder(checkpoint.partition)
        order = sum(checkpoint.offsets.values())  # every input only moves on, so the sum orders them
        name = f"{folder}/{order:020d}-{digest}.npz"
        self._files.makedirs(folder, exist_ok=True)
        self._files.pipe_file(f"{name}.part", content)
        self._files.mv(f"{name}.part", name)
        for old in self._names(checkpoint.partition)[KEPT:]:
            self._files.rm(old)

    def newest(self, partition: int) -> Checkpoint | None:
        """Return the newest checkpoint of a partition whose digest holds; None when there is none."""
        for name in self._names(partition):
            content = self._files.cat_file(name)
            digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]
            if name.endswith(f"-{digest}.npz"):
                return Checkpoint.from_bytes(content)
            log.warning("damaged checkpoint passed over", extra={"name_of_file": name.rsplit("/")[-1]})
        return None

    def _folder(self, partition: int) -> str:
        return f"{self._root}/{partition}"

    def _names(self, partition: int) -> list[str]:
        folder = self._folder(partition)
        if not self._files.exists(folder):
            return []
        names = [name for name in self._files.ls(folder, detail=False) if name.endswith(".npz")]
        return sorted(names, reverse=True)
