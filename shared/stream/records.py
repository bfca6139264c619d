"""What passes between the run loop and a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from shared import wire

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Batch:
    """Records of one topic in the order in which they are to be taken; repeats are already left out.

    ``partitions``, ``offsets`` and ``accepted_ms`` (broker time) have one element a record.
    A partition's records are in the order of its log; partitions may be mixed.
    """

    topic: str
    keys: Sequence[bytes]
    values: Sequence[bytes]
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    accepted_ms: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def joined(self) -> wire.Joined:
        """The values as one array of bytes."""
        return wire.join(self.values)

    @cached_property
    def event_times(self) -> npt.NDArray[np.int64]:
        """The time of each record of the stream, microseconds."""
        return wire.event_times(self.joined)

    def fields(self, names: Sequence[str]) -> wire.Fields:
        """Find the named fields."""
        return wire.fields(self.joined, names)

    def grow(self, output: str, appended: npt.NDArray[np.uint8] | wire.Joined) -> list[bytes]:
        """Return the records as schema ``output``, with ``appended`` at their ends: rows, or joined."""
        return wire.grow(self.joined, output, self.partitions, self.offsets, appended)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Records for one topic (name without prefix); partitions follow from the keys."""

    topic: str
    keys: Sequence[bytes]
    values: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that a stage reads.

    Raw records come from outside and carry no ``source``; stream records are freed of repeats by
    position; facts are upserted by rank, so they are read to their end before the stream goes on.
    """

    topic: str
    kind: str = "stream"


class Stage:
    """A deterministic function of its state and its input, in event time.

    ``process`` is required; the others are for stages that keep state for each partition.
    """

    inputs: Sequence[Input] = ()
    has_checkpoints = False
    """State is arrays, written by the run loop: ``restore`` and ``snapshot``."""
    has_store = False
    """State is a store of its own on disk: ``applied`` tells how far it is."""
    is_patient = False
    """Nobody waits for its outputs: it takes larger batches, later, and leaves the cores to others."""
    writes_facts = False
    """All outputs are facts: sending one again is harmless, so catching up is not silent."""

    def process(self, batch: Batch) -> list[Outgoing]:
        """Return the outputs of a batch; at most one record for each input record and topic."""
        raise NotImplementedError

    def restore(self, partition: int, arrays: Arrays | None) -> None:
        """Take over a partition with the state of a checkpoint, or with none."""

    def snapshot(self, partition: int) -> Arrays:
        """Return a copy of the partition's state; its memory may be taken by the next snapshot."""
        raise NotImplementedError

    def carried(self, partition: int) -> list[int] | None:
        """Return the state, a few numbers, with which the partition's next record is taken; None for none.

        It is committed with the offset. For stages of one input.
        """
        return None

    def carry_on(self, partition: int, carried: list[int] | None) -> None:
        """Take over a partition with what was committed for it, or with none."""

    def applied(self, partition: int) -> dict[str, int]:
        """Open the partition's store; return the next offset of each input topic it has not applied."""
        raise NotImplementedError

    def acknowledged(self, partition: int, topic: str, offset: int) -> None:
        """Take note that all outputs of the input records below ``offset`` are durable."""

    def release(self, partition: int) -> None:
        """Let go of a partition: its state here is void from now on."""

    def idle(self) -> list[Outgoing]:
        """Return outputs that wait for no record; called when a poll found nothing."""
        return []

    def close(self) -> None:
        """Release threads, files and connections."""


@dataclass(slots=True)
class Watermarks:
    """The highest event time seen in each partition, microseconds; a value of the input alone."""

    highest: dict[int, int] = field(default_factory=dict)

    def advance(self, partition: int, event_time: int) -> int:
        """Raise the partition's watermark to ``event_time`` where that is later; return it."""
        mark = max(event_time, self.highest.get(partition, event_time))
        self.highest[partition] = mark
        return mark
