"""A tiny service for the fault tests: counts payments by customer, in a process of its own.

``python -m tests.faults.stream_stage`` reads transactions.v1 and writes features.customer.v1. A
payment whose amount is `OVERSIZED` grows beyond what the broker takes.
"""

from __future__ import annotations

import sys

import numpy as np

from shared import wire
from shared.settings import Settings
from shared.stream import Arrays, Batch, Input, Outgoing, Stage
from shared.stream.service import run
from shared.telemetry import Telemetry

INPUT, OUTPUT = "transactions.v1", "features.customer.v1"
SERVICE = "features.tiny"
OVERSIZED = 666
BLOCK = 15


class Tiny(Stage):
    """Appends how many payments of the customer there were, this one included."""

    inputs = (Input(INPUT),)
    has_checkpoints = True

    def __init__(self) -> None:
        self.counts: dict[int, dict[bytes, int]] = {}

    def process(self, batch: Batch) -> list[Outgoing]:
        payments = batch.fields(["customer_id", "terminal_id", "amount"])
        blocks = []
        customers, amounts = payments.texts("customer_id"), payments.numbers("amount").tolist()
        for partition, customer, amount in zip(batch.partitions.tolist(), customers, amounts, strict=True):
            counts = self.counts[partition]
            counts[customer] = counts.get(customer, 0) + 1
            width = 300_000 if amount == OVERSIZED else BLOCK
            blocks.append(wire.float_block(np.full((1, width), counts[customer], np.float32), 1).tobytes())
        grown = batch.grow(OUTPUT, wire.join(blocks))
        return [Outgoing(OUTPUT, payments.texts("terminal_id"), grown)]

    def restore(self, partition: int, arrays: Arrays | None) -> None:
        state = {"ids": np.array([], "S16"), "counts": np.array([])} if arrays is None else arrays
        self.counts[partition] = dict(zip(state["ids"].tolist(), state["counts"].tolist(), strict=True))

    def snapshot(self, partition: int) -> Arrays:
        counts = self.counts[partition]
        return {"ids": np.array(list(counts), "S16"), "counts": np.array(list(counts.values()), np.int64)}

    def release(self, partition: int) -> None:
        del self.counts[partition]


def main() -> int:
    settings = Settings.load()
    return run(Tiny(), settings, SERVICE, Telemetry.start(SERVICE, settings))


if __name__ == "__main__":
    sys.exit(main())
