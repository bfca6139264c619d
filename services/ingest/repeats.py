"""What becomes of checked payments of one partition, in order: taken, a repeat, or refused."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.ingest.store import Entries, Mark
from services.ingest.times import US_PER_MS, TimeLimits
from shared.compiled import compiled
from shared.wire.joined import Ints

Verdicts = npt.NDArray[np.int8]


class Verdict(IntEnum):
    """What a payment is."""

    TAKEN = 0
    REPEAT = 1
    OTHER_CONTENT = 2
    TOO_OLD = 3
    IN_THE_FUTURE = 4


class Sequence(NamedTuple):
    """Payments in the order of the log; ``numbers`` says which have the same id."""

    numbers: Ints
    offsets: Ints
    event_times: Ints
    accepted_ms: Ints
    digests: Ints


def judge(
    payments: Sequence, entries: Entries, mark: Mark | None, limits: TimeLimits, horizon: int
) -> tuple[Verdicts, Mark | None]:
    """Return what each payment is, and how far event time is behind them.

    A payment is a repeat if one of the same id came before it, not longer ago than ``horizon``
    (microseconds of event time); at the same offset it is the same one, read again. ``entries``, one
    for each number, become those that hold after the payments.
    """
    verdicts = np.empty(len(payments.numbers), np.int8)
    state = np.array((1, *mark) if mark is not None else (0, 0, 0), np.int64)
    too_old = limits.too_old if limits.too_old is not None else np.iinfo(np.int64).max // 2
    _judge(payments, entries, state, (limits.future, too_old, horizon), verdicts)
    return verdicts, Mark(int(state[1]), int(state[2])) if state[0] else None


@compiled
def _judge(payments: Sequence, entries: Entries, mark: Ints, limits: Any, verdicts: Verdicts) -> None:
    future, too_old, horizon = limits
    for row in range(len(verdicts)):
        time, accepted = payments.event_times[row], payments.accepted_ms[row]
        number, offset = payments.numbers[row], payments.offsets[row]
        newest = mark[1] if mark[0] else time
        paused = max(accepted - mark[2], 0) * US_PER_MS if mark[0] else 0
        known = entries.offsets[number]
        is_known = 0 <= known < offset and entries.event_times[number] >= max(newest, time) - horizon
        if time < newest - too_old:
            verdicts[row] = 3
        elif time > newest + future + paused:
            verdicts[row] = 4
        elif is_known:
            verdicts[row] = 1 if entries.digests[number] == payments.digests[row] else 2
        else:
            verdicts[row] = 0
            if not mark[0] or time > newest:
                mark[0], mark[1], mark[2] = 1, time, accepted
            if known != offset:
                entries.offsets[number], entries.event_times[number] = offset, time
                entries.digests[number], entries.is_fresh[number] = payments.digests[row], True
