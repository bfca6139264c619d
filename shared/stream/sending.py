"""Outputs as what the producer takes: messages of one topic and partition."""

from __future__ import annotations

import numpy as np

import schemas
from shared.stream.partitions import partitions
from shared.stream.records import Outgoing

Part = tuple[str, int, list[dict[str, object]]]
"""Topic without prefix, partition, messages."""


def parts_of(output: Outgoing, most_bytes: int) -> list[Part]:
    """Return the messages of an output by partition, each partition's in their order.

    Raises
    ------
    ValueError
        If a key and value are longer than ``most_bytes`` together.
    """
    if max(map(len, output.keys), default=0) + max(map(len, output.values), default=0) > most_bytes:
        _check_sizes(output, most_bytes)
    # By partition: produce_batch of confluent-kafka 2.16 ignores the partition of a single message.
    chosen = partitions(output.keys, schemas.partition_count(output.topic))
    result: list[Part] = []
    for partition in sorted(set(chosen.tolist())):
        rows = np.flatnonzero(chosen == partition).tolist()
        messages: list[dict[str, object]] = [
            {"key": output.keys[row], "value": output.values[row]} for row in rows
        ]
        result.append((output.topic, partition, messages))
    return result


def _check_sizes(output: Outgoing, most_bytes: int) -> None:
    longest = max(len(key) + len(value) for key, value in zip(output.keys, output.values, strict=True))
    if longest > most_bytes:
        raise ValueError(f"a record of {longest} bytes for {output.topic}; the producer takes {most_bytes}")
