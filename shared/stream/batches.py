"""Messages of a poll as batches, one a topic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from confluent_kafka import KafkaException, Message

from shared import wire
from shared.stream.progress import Place, Reached
from shared.stream.records import Batch, Input, Outgoing


def batches(
    messages: Sequence[Message], inputs: Sequence[Input], topic_of: Callable[[str], str]
) -> Iterator[Batch]:
    """Yield one batch for each input that has messages, in the order of ``inputs``.

    Raises
    ------
    KafkaException
        If a message carries an error.
    """
    by_topic: dict[str, list[Message]] = {}
    for message in messages:
        if message.error() is not None:
            raise KafkaException(message.error())
        by_topic.setdefault(str(message.topic()), []).append(message)
    for each in inputs:
        found = by_topic.get(topic_of(each.topic))
        if found:
            yield _batch(each.topic, found)


def select(batch: Batch, rows: npt.NDArray[np.bool_]) -> Batch:
    """Return the rows of a batch where ``rows`` is true."""
    if rows.all():
        return batch
    chosen = np.flatnonzero(rows).tolist()
    return replace(
        batch,
        keys=[batch.keys[row] for row in chosen],
        values=[batch.values[row] for row in chosen],
        partitions=batch.partitions[rows],
        offsets=batch.offsets[rows],
        accepted_ms=batch.accepted_ms[rows],
    )


def singles(batch: Batch) -> Iterator[Batch]:
    """Yield each record as a batch of its own."""
    for row in range(len(batch)):
        yield select(batch, np.arange(len(batch)) == row)


def reach(batch: Batch) -> dict[Place, int]:
    """Return the offset after the last record of each partition."""
    held = set(batch.partitions.tolist())
    return {Place(batch.topic, each): int(batch.offsets[batch.partitions == each].max()) + 1 for each in held}


def spans(batch: Batch) -> dict[Place, tuple[int, int]]:
    """Return the first and the last offset of each partition."""
    found = {}
    for each in set(batch.partitions.tolist()):
        offsets = batch.offsets[batch.partitions == each]
        found[Place(batch.topic, each)] = int(offsets[0]), int(offsets[-1])
    return found


def newest_times(times: npt.NDArray[np.int64], partitions: npt.NDArray[np.int32]) -> dict[int, int]:
    """Return the highest event time by partition."""
    return {each: int(times[partitions == each].max()) for each in set(partitions.tolist())}


def output_times(outgoing: Sequence[Outgoing], topics: Collection[str]) -> dict[int, int]:
    """Return the highest event time of outputs to stream topics, by the partition of their input."""
    newest: dict[int, int] = {}
    for output in outgoing:
        if output.topic in topics and output.values:
            records = wire.join(output.values)
            found = newest_times(wire.event_times(records), wire.sources(records)[0])
            for partition, time in found.items():
                newest[partition] = max(time, newest.get(partition, time))
    return newest


def later(before: Reached | None, offset: int, time: int | None) -> Reached:
    """Return where a partition stands after a batch, its event time never falling."""
    earlier = before.event_time if before else None
    times = [each for each in (earlier, time) if each is not None]
    return Reached(offset, None, max(times, default=None))


def _batch(topic: str, messages: list[Message]) -> Batch:
    return Batch(
        topic,
        [message.key() or b"" for message in messages],
        [message.value() or b"" for message in messages],
        np.array([message.partition() for message in messages], np.int32),
        np.array([message.offset() for message in messages], np.int64),
        np.array([message.timestamp()[1] for message in messages], np.int64),
    )
