"""Three tiny stages for the simulation of the protocol, and what they make of payments without any log."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shared import wire
from shared.stream import Arrays, Batch, Input, Outgoing, Stage
from shared.stream.partitions import partitions

PARTITIONS = 2
WINDOW = 2
LAG = 2
"""Rounds of event time after which an outcome counts."""
FIRST_TIME = 64  # from here on a zigzag number takes two bytes, so that records have a fixed shape
ID_AT, TIME_AT, KEYS_AT = 18, 24, 26
_KEYS = struct.Struct(">HHi")

PAYMENTS, FACTS = "transactions.v1", "outcomes.terminal.v1"
NO_TERMINAL = b"\0"  # the schema of outcomes has one before the time
MIDDLE, LAST, SCORES = "features.customer.v1", "features.terminal.v1", "scores.v1"


@dataclass(frozen=True, slots=True)
class Payment:
    number: int
    round: int
    customer: int
    terminal: int
    amount: int

    def record(self, topic: str, source: tuple[int, int]) -> bytes:
        front = b"\0" + wire.schema_id(topic).to_bytes(4, "big") + wire.source_bytes(*source)
        name = wire.long_bytes(6) + b"%06d" % self.number
        keys = _KEYS.pack(self.customer, self.terminal, self.amount)
        terminal = NO_TERMINAL if topic == FACTS else b""
        return front + name + terminal + wire.long_bytes(FIRST_TIME + self.round) + keys


def name_of(value: bytes) -> bytes:
    return value[ID_AT:TIME_AT]


def time_of(value: bytes) -> int:
    return ((value[TIME_AT] & 0x7F) | value[TIME_AT + 1] << 7) // 2 - FIRST_TIME


def _keys(value: bytes) -> tuple[int, int, int]:
    return _KEYS.unpack(value[KEYS_AT : KEYS_AT + _KEYS.size])


def content_of(value: bytes) -> bytes:
    return value[ID_AT:]


@dataclass
class Windows(Stage):
    """Count and sum over the last rounds by key, and outcomes of the key that count by now.

    A sum is over payments of one upstream partition: their order is the same in every run.
    """

    source: str
    output: str
    key: int
    has_facts: bool = False
    state: dict[int, list[tuple[int, ...]]] = field(default_factory=dict)
    has_checkpoints = True

    def __post_init__(self) -> None:
        self.inputs = [*([Input(FACTS, "facts")] if self.has_facts else []), Input(self.source)]

    def process(self, batch: Batch) -> list[Outgoing]:
        upstream = wire.sources(batch.joined)[0].tolist()
        rows = zip(batch.values, batch.partitions.tolist(), upstream, strict=True)
        keys, appended = [], []
        for value, partition, come_from in rows:
            if batch.topic == FACTS:
                fact = value[:TIME_AT] + value[TIME_AT + len(NO_TERMINAL) :]
                self._learn(partition, _keys(fact), time_of(fact))
                continue
            parts = _keys(value)
            appended.append(self._advance(partition, (parts[self.key], come_from, time_of(value), parts[2])))
            keys.append(b"%d" % parts[1] if self.key == 0 else name_of(value))
        if not keys:
            return []
        return [Outgoing(self.output, keys, batch.grow(self.output, wire.join(appended)))]

    def _learn(self, partition: int, parts: tuple[int, int, int], time: int) -> None:
        fact = (parts[1], -1, time, parts[2])
        held = self.state[partition]
        if fact not in held:  # an upsert: facts may come again
            held.append(fact)

    def _advance(self, partition: int, row: tuple[int, ...]) -> bytes:
        held = self.state[partition]
        held.append(row)
        key, come_from, time, _ = row
        inside = [each[3] for each in held if each[:2] == (key, come_from) and each[2] > time - WINDOW]
        known = [each[3] for each in held if each[:2] == (key, -1) and each[2] <= time - LAG]
        return struct.pack(">Bii", len(inside), sum(inside), sum(known))

    def restore(self, partition: int, arrays: Arrays | None) -> None:
        rows = [] if arrays is None else arrays["rows"].tolist()
        self.state[partition] = [tuple(row) for row in rows]

    def snapshot(self, partition: int) -> Arrays:
        return {"rows": np.array(self.state[partition], np.int64).reshape(-1, 4)}

    def release(self, partition: int) -> None:
        del self.state[partition]


class Passing(Stage):
    """Keeps nothing."""

    inputs = (Input(LAST),)

    def process(self, batch: Batch) -> list[Outgoing]:
        keys = [name_of(value) for value in batch.values]
        return [Outgoing(SCORES, keys, batch.grow(SCORES, wire.join([b"!"] * len(batch))))]


def stages() -> dict[str, Stage]:
    return {
        "first": Windows(PAYMENTS, MIDDLE, key=0),
        "second": Windows(MIDDLE, LAST, key=1, has_facts=True),
        "third": Passing(),
    }


def plain_run(payments: Sequence[Payment], facts: Sequence[Payment]) -> dict[bytes, bytes]:
    """Content of each score by payment, by one pass of the stages over lists: the expected values."""
    made = stages()
    by_place: dict[int, list[Payment]] = {at: [] for at in range(PARTITIONS)}
    for payment in payments:
        by_place[place_of(payment.customer)].append(payment)
    values = [[each.record(PAYMENTS, (at, row)) for row, each in enumerate(by_place[at])] for at in by_place]
    for at in range(PARTITIONS):
        for name in ("first", "second"):
            made[name].restore(at, None)
    for fact in facts:
        made["second"].process(_batch(FACTS, place_of(fact.terminal), [fact.record(FACTS, (0, 0))]))
    for name in ("first", "second", "third"):
        values = _pass(made[name], values)
    return {name_of(value): content_of(value) for part in values for value in part}


def place_of(key: int) -> int:
    return int(partitions([b"%d" % key], PARTITIONS)[0])


def _pass(stage: Stage, values: list[list[bytes]]) -> list[list[bytes]]:
    out: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for at, part in enumerate(values):
        if not part:
            continue
        for output in stage.process(_batch(stage.inputs[-1].topic, at, part)):
            places = partitions(output.keys, PARTITIONS).tolist()
            for place, value in zip(places, output.values, strict=True):
                out[place].append(value)
    return out


def _batch(topic: str, partition: int, values: list[bytes]) -> Batch:
    at = np.full(len(values), partition, np.int32)
    offsets = np.arange(len(values), dtype=np.int64)
    return Batch(topic, [b""] * len(values), values, at, offsets, offsets)
