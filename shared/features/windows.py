"""The window state of one entity in one partition: payments in, features out, in event time."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from shared.features import kernels, plan
from shared.features.arena import RESERVED_SLOTS, Arena, Array, WarmMemory, enlarged
from shared.features.blocks import ID, LABEL, LABEL_TIME, SUMMED, TIME, Ints, Rows, touch
from shared.features.definitions import DAY, KINDS, Entity, FeatureSet
from shared.features.index import EntityIndex
from shared.wire.joined import split

LATENESS = 7 * DAY  # ingest refuses payments that are later than this behind their partition
OUTCOME_COLUMNS = 4


class StateMismatch(ValueError):
    """State that was made by other feature definitions; one sentence that says what to do."""


class WindowState:
    """Exact windows over the payments and outcomes of all entities of one input partition.

    A payment's features depend on the payments before it in the log and itself, in event time:
    windows are (t - delay - window, t - delay]. A late payment is put in its place in time. The ratio
    of a payment to the customer's habit is fixed when the payment is taken: one that comes later and
    lies before it in time does not change it. An outcome counts at t when label_time + label_lag <= t;
    the one of the latest label_time wins, fraud where two are of the same time. Known labels look back
    ``history``; among payments of the same event time a fraud is taken as the newer.
    Rows that no payment can ask for any more are forgotten when memory is needed: those before the
    lowest watermark of the upstream partitions minus what the features look back and ``LATENESS``.
    """

    def __init__(self, features: FeatureSet, entity: Entity, reserved: int = RESERVED_SLOTS) -> None:
        needs = {need for feature in entity.features for need in KINDS[feature.kind].needs}
        self.index = EntityIndex()
        self._plan = _plan(features, entity)
        self._fingerprint = np.array([zlib.crc32(repr((features.version, entity, self._plan)).encode())])
        self._lookback = max(feature.window + feature.delay for feature in entity.features)
        if "history" in needs:
            self._lookback = features.history
        self._payments = Arena(SUMMED if "amounts" in needs else 1, "habit" in needs, reserved)
        self._outcomes = Arena(OUTCOME_COLUMNS, "carried" in needs, reserved)
        self._watermarks = np.full(1, plan.NEVER)
        self._cutoff = plan.NEVER
        self._memory = WarmMemory()

    def advance(self, numbers: Ints, times: Ints, amounts: Ints, upstream: npt.NDArray[np.int32]) -> Rows:
        """Take payments in the order of the log; return their features.

        Parameters
        ----------
        numbers
            Of the entities, from ``index``.
        times, amounts
            Event times (microseconds) and amounts (minor units of the base currency), shape (n,).
        upstream
            Partitions in which the payments lay one stage before.

        Returns
        -------
        numpy.ndarray
            Shape (n, k), NaN where a feature is undefined.
        """
        self._hold()
        out = np.empty((len(numbers), len(self._plan.kind)), np.float32)
        batch = plan.Payments(numbers, times, amounts, self._cutoff)
        done = 0
        touch(self._payments.blocks, numbers)
        while True:
            state = plan.State(self._payments.blocks, self._outcomes.blocks)
            done = kernels.advance(state, self._plan, batch, done, out)
            if done == len(numbers):
                break
            self._payments.enlarge()
        self._watch(upstream, times)
        self._payments.tidy()
        return out

    def learn(self, numbers: Ints, payment_ids: Sequence[bytes], outcomes: Ints, carried: Rows) -> None:
        """Upsert explicit labels; the same one again changes nothing.

        Parameters
        ----------
        numbers
            Of the entities, from ``index``.
        payment_ids
            Transaction ids, one a row.
        outcomes
            Event time, label_time and label (1 fraud, 0 genuine), shape (n, 3).
        carried
            The payments' values of the entity's ``carried`` feature, NaN where unknown, shape (n,).
        """
        self._hold()
        rows = np.empty((len(numbers), OUTCOME_COLUMNS), np.int64)
        rows[:, ID] = np.fromiter(map(_digest, payment_ids), np.int64, len(numbers))
        rows[:, [TIME, LABEL_TIME, LABEL]] = outcomes
        batch, done = plan.Outcomes(numbers, rows, carried, self._cutoff), 0
        while (done := kernels.learn(self._outcomes.blocks, batch, done)) < len(numbers):
            self._outcomes.enlarge()
        self._outcomes.tidy()

    @property
    def retained(self) -> int:
        """How many payments are kept."""
        return self._payments.retained

    @property
    def used_bytes(self) -> int:
        """Bytes that payments, outcomes and their entities take, ids not counted."""
        return self._payments.used_bytes + self._outcomes.used_bytes

    def snapshot(self) -> dict[str, Array]:
        """Return the state as arrays in memory that the next snapshot writes again."""
        self._hold()
        entities, memory = len(self.index), self._memory
        ids, ends = self.index.joined()
        arrays = {"ids": memory.copy("ids", ids), "id_ends": memory.copy("id_ends", ends)}
        arrays |= self._payments.pack(entities, self._cutoff, memory, "payment")
        arrays |= self._outcomes.pack(entities, self._cutoff, memory, "outcome")
        return arrays | {"watermarks": self._watermarks.copy(), "fingerprint": self._fingerprint}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over a snapshot; entities of which nothing is kept are forgotten.

        Raises
        ------
        StateMismatch
            If other feature definitions made it.
        """
        if not np.array_equal(arrays["fingerprint"], self._fingerprint):
            raise StateMismatch(
                "the checkpoint was made by other feature definitions; remove this service's checkpoints "
                "so that the windows are built again from the log"
            )
        kept = alive(arrays)
        ids = split(arrays["ids"].tobytes(), arrays["id_ends"])
        self.index = EntityIndex.from_ids([ids[row] for row in np.flatnonzero(kept)])
        self._payments.unpack(arrays, kept, "payment")
        self._outcomes.unpack(arrays, kept, "outcome")
        self._watermarks = arrays["watermarks"].copy()
        self._watch(np.zeros(0, np.int32), np.zeros(0, np.int64))
        self.snapshot()  # touches the memory of snapshots now, not between two batches

    def _hold(self) -> None:
        self._payments.hold(len(self.index))
        self._outcomes.hold(len(self.index))

    def _watch(self, upstream: npt.NDArray[np.int32], times: Ints) -> None:
        known, needed = len(self._watermarks), int(upstream.max(initial=0)) + 1
        if needed > known:
            self._watermarks = enlarged(self._watermarks, needed)
            self._watermarks[known:] = plan.NEVER
        lowest = _raise_watermarks(self._watermarks, upstream, times, plan.NEVER)
        if lowest > plan.NEVER:
            self._cutoff = lowest - self._lookback - LATENESS


def alive(arrays: Mapping[str, Array]) -> npt.NDArray[np.bool_]:
    """Return which entities of a snapshot have payments or outcomes; others are not restored."""
    kept: npt.NDArray[np.bool_] = (arrays["payment_counts"] > 0) | (arrays["outcome_counts"] > 0)
    return kept


def _digest(payment_id: bytes) -> int:
    return int.from_bytes(blake2b(payment_id, digest_size=8).digest(), "little", signed=True)


def _plan(features: FeatureSet, entity: Entity) -> plan.Plan:
    habit = next((each for each in entity.features if each.kind == "habit_amount"), None)
    return plan.Plan(
        kind=np.array([KINDS[each.kind].code for each in entity.features]),
        window=np.array([each.window for each in entity.features]),
        delay=np.array([each.delay for each in entity.features]),
        number=np.array([each.number for each in entity.features]),
        habit_window=habit.window if habit else 0,
        habit_delay=habit.delay if habit else 0,
        label_lag=features.label_lag,
        horizon=features.horizon,
        history=features.history,
        unit=float(features.unit),
    )


@numba.njit(cache=True)
def _raise_watermarks(watermarks: Ints, upstream: npt.NDArray[np.int32], times: Ints, never: int) -> Any:
    """Raise the highest event time of each upstream partition; return the lowest of those seen."""
    for row in range(len(times)):
        watermarks[upstream[row]] = max(watermarks[upstream[row]], times[row])
    lowest = never
    for mark in watermarks:
        if mark > never and (lowest == never or mark < lowest):
            lowest = mark
    return lowest
