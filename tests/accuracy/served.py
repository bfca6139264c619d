"""What the services wrote, read back as an outside reader would: by the position rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from confluent_kafka import Consumer, TopicPartition

import schemas
from shared import wire
from shared.settings import Settings
from shared.stream.clients import read_topic

CHUNK = 20_000
BLOCKS = ("customer_features", "terminal_features")
ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Served:
    """Payments with their features, one row each, in the order of their ids."""

    transaction_id: pl.Series
    features: npt.NDArray[np.float32]
    repeats: int


class Positions:
    """Accepts a record when its source offset is above all before it from that source partition."""

    def __init__(self) -> None:
        self._highest: dict[tuple[int, int], int] = {}

    def accepted(
        self, partition: int, upstream: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Return which records, in the order of their partition, are no repeats."""
        is_new = np.zeros(len(offsets), np.bool_)
        for source in np.unique(upstream).tolist():
            rows = np.flatnonzero(upstream == source)
            before = self._highest.get((partition, source), -1)
            highest = np.maximum.accumulate(np.concatenate([[before], offsets[rows]]))
            is_new[rows] = offsets[rows] > highest[:-1]
            self._highest[partition, source] = int(highest[-1])
        return is_new


def features(settings: Settings) -> Served:
    """Return every payment of features.terminal.v1 with its features."""
    frames, matrices, seen = [], [], 0
    for values in accepted(settings, "features.terminal.v1"):
        seen += len(values)
        frame = wire.decode_columns(values, ("transaction_id", *BLOCKS))
        frames.append(frame.select("transaction_id"))
        matrices.append(np.hstack([wire.feature_matrix(frame, block) for block in BLOCKS]))
    if not frames:
        raise AssertionError("features.terminal.v1 holds no record")
    ids = pl.concat(frames)["transaction_id"]
    order = ids.arg_sort().to_numpy()
    return Served(
        ids[order], np.concatenate(matrices)[order], written(settings, "features.terminal.v1") - seen
    )


def labels(settings: Settings) -> pl.DataFrame:
    """Return the labels as delivered: transaction_id, label, label_time (microseconds)."""
    names = ("transaction_id", "label", "label_time")
    chunks = accepted(settings, "labels.v1")
    frames = [wire.decode_columns(values, names) for values in chunks]
    if not frames:
        raise AssertionError("labels.v1 holds no record")
    return pl.concat(frames).select(
        "transaction_id", pl.col("label").cast(pl.String), pl.col("label_time").cast(pl.Int64)
    )


def log_order(settings: Settings) -> pl.Series:
    """Return the ids of the payments of transactions.v1, each customer's in the order of the log."""
    chunks = accepted(settings, "transactions.v1")
    return pl.concat([wire.decode_columns(values, ("transaction_id",)) for values in chunks])[
        "transaction_id"
    ]


def count(settings: Settings, topic: str) -> int:
    """Return the number of records of a stream topic, repeats left out."""
    return sum(len(values) for values in accepted(settings, topic))


def accepted(settings: Settings, topic: str) -> Iterator[list[bytes]]:
    """Yield the values of a stream topic in chunks of one partition, repeats left out."""
    positions = Positions()
    waiting: dict[int, list[bytes]] = {}
    for message in read_topic(settings, topic):
        partition = int(message.partition() or 0)
        values = waiting.setdefault(partition, [])
        values.append(message.value() or b"")
        if len(values) == CHUNK:
            yield _new(positions, partition, waiting.pop(partition))
    for partition, values in waiting.items():
        yield _new(positions, partition, values)


def written(settings: Settings, topic: str) -> int:
    """Return the number of records of a topic, repeats included."""
    reader = Consumer({**settings.kafka, "group.id": "millrace.accuracy"})
    try:
        name = settings.topic(topic)
        places = [TopicPartition(name, number) for number in range(schemas.partition_count(topic))]
        ends = [reader.get_watermark_offsets(place, timeout=ANSWER_SECONDS) for place in places]
        return sum(high - low for low, high in ends)
    finally:
        reader.close()


def _new(positions: Positions, partition: int, values: Sequence[bytes]) -> list[bytes]:
    upstream, offsets = wire.sources(wire.join(values))
    chosen = np.flatnonzero(positions.accepted(partition, upstream, offsets))
    return [values[row] for row in chosen.tolist()]
