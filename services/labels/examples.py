"""Examples and outcomes as bytes: what a join found, in the order found."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from services.labels.store import Score, Version
from shared import wire
from shared.stream import Outgoing

IMPLIED, EXPLICIT = 0, 1
_FLAGS = wire.long_bytes(0), wire.long_bytes(1)
CARRIED = ("transaction_id", "terminal_id", "customer_features", "customer_features_version")
"""What an outcome takes over from the payment that was scored."""


@dataclass(slots=True)
class Join:
    """What a batch joined."""

    partitions: list[int] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    ends: list[bytes] = field(default_factory=list)
    is_fraud: list[bool] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    """Offsets of the records that made the examples known."""
    orphans: list[tuple[int, bytes, Version]] = field(default_factory=list)
    outcomes: list[tuple[int, Score, Version]] = field(default_factory=list)

    def implied(self, partition: int, score: Score, time: int, trigger: int) -> None:
        """Add a payment that is genuine because no label came by ``time``."""
        self._example(partition, score, (False, time, "implied", IMPLIED), trigger)

    def explicit(self, partition: int, score: Score, version: Version, trigger: int) -> None:
        """Add a payment with the label that holds now."""
        known = version.is_fraud, version.label_time, version.origin, EXPLICIT
        self._example(partition, score, known, trigger)

    def outcome(self, partition: int, score: Score, version: Version) -> None:
        """Add what a label says of the terminal, whether it still holds or not."""
        self.outcomes.append((partition, score, version))

    def _example(self, partition: int, score: Score, known: tuple[bool, int, str, int], trigger: int) -> None:
        self.partitions.append(partition)
        self.scores.append(score)
        self.ends.append(_end(*known))
        self.is_fraud.append(known[0])
        self.triggers.append(trigger)


def joined(join: Join) -> list[Outgoing]:
    """Return the records of a join."""
    outgoing = []
    if join.scores:
        values = [score.value for score in join.scores]
        records = wire.join(values)
        offsets = np.array([score.offset for score in join.scores], np.int64)
        places = np.array(join.partitions, np.int32)
        examples = wire.grow(records, "examples.v1", places, offsets, wire.join(join.ends))
        names = wire.fields(records, ["transaction_id"]).texts("transaction_id")
        outgoing.append(Outgoing("examples.v1", names, examples))
    if join.outcomes:
        outgoing.append(_outcomes(join.outcomes))
    return outgoing


def _outcomes(found: list[tuple[int, Score, Version]]) -> Outgoing:
    payments = wire.decode_columns([score.value for _, score, _ in found], CARRIED)
    keys, values = [], []
    for (partition, score, version), payment in zip(found, payments.iter_rows(named=True), strict=True):
        record = {
            **payment,
            "source": wire.source_bytes(partition, version.offset),
            "event_time": score.event_time,
            "label": "fraud" if version.is_fraud else "genuine",
            "label_time": version.label_time,
            "origin": version.origin,
        }
        keys.append(payment["terminal_id"].encode())
        values.append(wire.encode("outcomes.terminal.v1", record))
    return Outgoing("outcomes.terminal.v1", keys, values)


def _end(is_fraud: bool, time: int, origin: str, rank: int) -> bytes:
    return _FLAGS[is_fraud] + wire.long_bytes(time) + _told(origin, rank)


@lru_cache(64)
def _told(origin: str, rank: int) -> bytes:
    return wire.text_bytes(origin) + wire.long_bytes(rank)
