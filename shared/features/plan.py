"""What the kernels compute, and from what."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.features.blocks import Blocks, Ints, Rows

Floats = npt.NDArray[np.float64]

NEVER, HOUR, DAY = np.iinfo(np.int64).min, 3_600_000_000, 86_400_000_000
FIRST_WEEKDAY, SATURDAY = 3, 5  # 1970-01-01 was a Thursday; Monday is 0
(
    AMOUNT, WEEKEND, NIGHT, COUNT, MEAN_AMOUNT, RISK,
    HABIT_AMOUNT, HABIT_RATIO, HABIT_RATIO_MAX, HABIT_ABOVE,
    LAST_LABEL, FRAUD_RUN, FRAUD_RUN_DAYS, DAYS_SINCE_GENUINE, DAYS_SINCE_FRAUD, DAYS_AFTER_FRAUD,
    FRAUD_SHARE, FRAUD_LEAST,
) = range(18)  # fmt: skip


class State(NamedTuple):
    """Payments (TIME, and SUM up to and with the row) and outcomes of each entity.

    The value of a payment is its ratio to the habit, of an outcome the number that it carries.
    """

    payments: Blocks
    outcomes: Blocks


class Plan(NamedTuple):
    """What to compute: one element a feature, then what they share; times in microseconds."""

    kind: Ints
    window: Ints
    delay: Ints
    number: Floats
    habit_window: int
    habit_delay: int
    label_lag: int
    horizon: int
    history: int
    unit: float


class Payments(NamedTuple):
    """A batch: dense entity, event time, amount; rows up to ``cutoff`` may be forgotten."""

    entity: Ints
    time: Ints
    amount: Ints
    cutoff: int


class Outcomes(NamedTuple):
    """A batch: dense entity; TIME, ID, LABEL_TIME, LABEL; a number that each carries, NaN where unknown."""

    entity: Ints
    rows: Ints
    carried: Rows
    cutoff: int


class Known(NamedTuple):
    """The labels of an entity's payments that count at one time; NEVER where there is none."""

    genuine: int
    fraud: int
    run: int
    run_first: int
