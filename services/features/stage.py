"""Payments grow by the features of one entity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from services.features.newest import NewestRows
from shared import wire
from shared.features import Entity, FeatureSet, WindowState
from shared.features.blocks import Ints, Rows
from shared.features.windows import alive
from shared.stream import Arrays, Batch, Input, Outgoing, Stage

FRAUD = "fraud"
OUTCOME = ("transaction_id", "event_time", "label_time", "label")


class FeaturesStage(Stage):
    """The features of one entity, from a window state for each input partition.

    Record keys are the entity's ids, as schemas/topics.toml says.
    """

    has_checkpoints = True

    def __init__(self, features: FeatureSet, entity: Entity, newest: NewestRows | None = None) -> None:
        self._features, self._entity, self._newest = features, entity, newest
        self._states: dict[int, WindowState] = {}
        self.inputs: Sequence[Input] = [Input(entity.input)]
        if entity.outcomes is not None:
            self.inputs = [Input(entity.outcomes, "facts"), Input(entity.input)]
        self._block = _block(features, entity)
        _compile(features, entity)

    def process(self, batch: Batch) -> list[Outgoing]:
        """Return the payments with their features; outcomes are taken in and return nothing."""
        if batch.topic == self._entity.outcomes:
            self._learn(batch)
            return []
        payments = batch.fields(["amount_base", self._entity.output_key])
        matrix = self._advance(batch, payments.numbers("amount_base"))
        appended = wire.float_block(matrix, self._features.version)
        keys = payments.texts(self._entity.output_key)
        return [Outgoing(self._entity.output, keys, batch.grow(self._entity.output, appended))]

    def _advance(self, batch: Batch, amounts: Ints) -> npt.NDArray[np.float32]:
        times = batch.event_times
        upstream, _ = wire.sources(batch.joined)
        matrix = np.empty((len(batch), len(self._entity.features)), np.float32)
        for partition, rows in _by_partition(batch.partitions):
            state = self._state(partition)
            numbers = state.index.numbers([batch.keys[row] for row in rows.tolist()])
            matrix[rows] = state.advance(numbers, times[rows], amounts[rows], upstream[rows])
            if self._newest is not None:
                ids = state.index.ids
                self._newest.take(partition, ids, numbers, batch.offsets[rows], times[rows], matrix[rows])
        return matrix

    def _learn(self, batch: Batch) -> None:
        outcomes = wire.decode_columns(
            batch.values, ["transaction_id", "event_time", "label_time", "label", *self._block]
        )
        labels = outcomes["label"].cast(pl.String) == FRAUD
        columns = [
            outcomes["event_time"].to_physical(),
            outcomes["label_time"].to_physical(),
            labels.cast(pl.Int64),
        ]
        rows_of: Ints = np.stack([column.to_numpy() for column in columns], axis=1)
        carried = self._carried(outcomes)
        for partition, rows in _by_partition(batch.partitions):
            state = self._state(partition)
            numbers = state.index.numbers([batch.keys[row] for row in rows.tolist()])
            ids = [each.encode() for each in outcomes["transaction_id"].gather(rows).to_list()]
            state.learn(numbers, ids, rows_of[rows], carried[rows])

    def _carried(self, outcomes: pl.DataFrame) -> Rows:
        if self._entity.carried is None:
            return np.full(outcomes.height, np.nan, np.float32)
        block, version = self._block
        _, column = self._features.place(self._entity.carried)
        # Of other definitions the column would be another feature: unknown.
        is_ours = pl.col(version) == self._features.version
        value = pl.when(is_ours).then(pl.col(block).list.get(column, null_on_oob=True))
        values = outcomes.select(value.fill_null(np.nan).cast(pl.Float32)).to_series().to_numpy()
        return np.ascontiguousarray(values)

    def restore(self, partition: int, arrays: Arrays | None) -> None:
        """Take over a partition.

        Raises
        ------
        StateMismatch
            If other feature definitions made the checkpoint.
        """
        state = self._states[partition] = WindowState(self._features, self._entity)
        if arrays is None:
            return
        state.restore(arrays)
        if self._newest is not None:
            self._newest.restore(partition, arrays, alive(arrays), state.index.ids)

    def snapshot(self, partition: int) -> Arrays:
        """Return the partition's state; its memory is written again by the next snapshot."""
        arrays = self._state(partition).snapshot()
        if self._newest is not None:
            arrays |= self._newest.snapshot(partition, len(self._state(partition).index))
        return arrays

    def acknowledged(self, partition: int, topic: str, offset: int) -> None:
        """Hand on the newest features whose records are durable."""
        if self._newest is not None and topic == self._entity.input:
            self._newest.acknowledged(partition, offset)

    def release(self, partition: int) -> None:
        """Forget a partition."""
        self._states.pop(partition, None)
        if self._newest is not None:
            self._newest.release(partition)

    def idle(self) -> list[Outgoing]:
        """Hand on newest features while no payments come."""
        if self._newest is not None:
            self._newest.hand_on()
        return []

    def close(self) -> None:
        """End the cache's thread."""
        if self._newest is not None:
            self._newest.close()

    def _state(self, partition: int) -> WindowState:
        if partition not in self._states:
            self.restore(partition, None)
        return self._states[partition]


def _by_partition(partitions: npt.NDArray[np.int32]) -> list[tuple[int, npt.NDArray[np.intp]]]:
    return [(each, np.flatnonzero(partitions == each)) for each in sorted(set(partitions.tolist()))]


def _block(features: FeatureSet, entity: Entity) -> tuple[str, ...]:
    """Return the fields of an outcome that hold the feature which it carries, and its version."""
    if entity.carried is None:
        return ()
    name = f"{features.place(entity.carried)[0].name}_features"
    return name, f"{name}_version"


def _compile(features: FeatureSet, entity: Entity) -> None:
    # The first call of a kernel compiles it or loads it from numba's cache: not while payments wait.
    state = WindowState(features, entity, reserved=64)
    none = np.zeros(0, np.int64)
    state.learn(none, [], np.zeros((0, 3), np.int64), np.zeros(0, np.float32))
    state.advance(none, none, none, none.astype(np.int32))
    state.restore(state.snapshot())
