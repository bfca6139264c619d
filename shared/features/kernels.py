"""The features of payments, compiled: insert each payment in order, then look back from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from shared.features.blocks import (
    ID,
    LABEL,
    LABEL_TIME,
    SUM,
    TIME,
    Blocks,
    Ints,
    Rows,
    make_room,
    open_row,
    upper_bound,
)

Floats = npt.NDArray[np.float64]

# Numba's cache of this file does not see changes of blocks.py: an edit there must be an edit here.
BLOCKS_DIGEST = "fbd240b8c452a52e"
NEVER, HOUR, DAY = np.iinfo(np.int64).min, 3_600_000_000, 86_400_000_000
FIRST_WEEKDAY, SATURDAY = 3, 5  # 1970-01-01 was a Thursday; Monday is 0
(
    AMOUNT, WEEKEND, NIGHT, COUNT, MEAN_AMOUNT, RISK,
    HABIT_AMOUNT, HABIT_RATIO, HABIT_RATIO_MAX, HABIT_ABOVE,
    LAST_LABEL, FRAUD_RUN, FRAUD_RUN_DAYS, DAYS_SINCE_GENUINE, DAYS_SINCE_FRAUD, FRAUD_SHARE,
) = range(16)  # fmt: skip


class State(NamedTuple):
    """Payments (TIME, and SUM up to and with the row) and outcomes of each entity."""

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


class Known(NamedTuple):
    """The labels of an entity's payments that count at one time; NEVER where there is none."""

    genuine: int
    fraud: int
    run: int
    run_first: int


@numba.njit(cache=True)
def advance(state: State, plan: Plan, batch: Payments, first: int, out: Rows) -> Any:
    """Add payments from row ``first`` on and write their features; return the rows done.

    Fewer than all are done when the arena is full: enlarge it and go on from there.
    """
    has_labels = (plan.kind >= LAST_LABEL).any()
    known = Known(NEVER, NEVER, 0, NEVER)
    for row in range(first, len(batch.entity)):
        at = _add(state.payments, plan, batch, row)
        if at < 0:
            return row
        entity, time, amount = batch.entity[row], batch.time[row], batch.amount[row]
        if has_labels:
            known = _known(state, plan, entity, time)
        for feature in range(len(plan.kind)):
            kind = plan.kind[feature]
            if kind <= NIGHT:
                out[row, feature] = _own(plan, feature, time, amount)
            elif kind <= RISK:
                out[row, feature] = _window(state, plan, feature, entity, time)
            elif kind <= HABIT_ABOVE:
                out[row, feature] = _habit(state.payments, plan, feature, entity, at)
            elif kind == FRAUD_SHARE:
                out[row, feature] = _share(state, plan, feature, entity, time)
            else:
                out[row, feature] = _label(kind, known, time)
    return len(batch.entity)


@numba.njit(cache=True)
def learn(outcomes: Blocks, entities: Ints, rows: Ints, cutoff: int, first: int) -> Any:
    """Upsert outcomes (TIME, ID, LABEL_TIME, LABEL) from row ``first`` on; return the rows done."""
    for row in range(first, len(entities)):
        entity = entities[row]
        if not make_room(outcomes, entity, cutoff):
            return row
        at, start = outcomes.length[entity], outcomes.start[entity]
        order = 1
        while at > 0:
            order = _order(outcomes.slots, start + at - 1, rows, row)
            if order <= 0:
                break
            at -= 1
        if at == 0 or order != 0:
            slot = open_row(outcomes, entity, at)
            outcomes.slots[slot] = rows[row]
    return len(entities)


@numba.njit(cache=True)
def _order(slots: Ints, slot: int, rows: Ints, row: int) -> Any:
    for column in range(LABEL + 1):
        if slots[slot, column] != rows[row, column]:
            return 1 if slots[slot, column] > rows[row, column] else -1
    return 0


@numba.njit(cache=True)
def _add(payments: Blocks, plan: Plan, batch: Payments, row: int) -> Any:
    entity, time = batch.entity[row], batch.time[row]
    if not make_room(payments, entity, batch.cutoff):
        return -1
    at = upper_bound(payments, entity, time)
    slot = open_row(payments, entity, at)
    payments.slots[slot, TIME] = time
    if payments.slots.shape[1] > SUM:
        payments.slots[slot, SUM] = payments.slots[slot - 1, SUM] if at else 0
        for later in range(slot, payments.start[entity] + payments.length[entity]):
            payments.slots[later, SUM] += batch.amount[row]
    if len(payments.ratios):
        count, total = _count_and_sum(payments, entity, time - plan.habit_delay, plan.habit_window)
        payments.ratios[slot] = batch.amount[row] * count / total if total else np.nan
    return at


@numba.njit(cache=True)
def _count_and_sum(payments: Blocks, entity: int, end: int, window: int) -> Any:
    low, high = upper_bound(payments, entity, end - window), upper_bound(payments, entity, end)
    if low == high or payments.slots.shape[1] == 1:
        return high - low, 0
    start = payments.start[entity]
    before = payments.slots[start + low - 1, SUM] if low else 0
    return high - low, payments.slots[start + high - 1, SUM] - before


@numba.njit(cache=True)
def _own(plan: Plan, feature: int, time: int, amount: int) -> Any:
    kind = plan.kind[feature]
    if kind == AMOUNT:
        return amount / plan.unit
    if kind == WEEKEND:
        return 1.0 if (time // DAY + FIRST_WEEKDAY) % 7 >= SATURDAY else 0.0
    return 1.0 if time % DAY // HOUR <= plan.number[feature] else 0.0


@numba.njit(cache=True)
def _window(state: State, plan: Plan, feature: int, entity: int, time: int) -> Any:
    kind, window, end = plan.kind[feature], plan.window[feature], time - plan.delay[feature]
    count, total = _count_and_sum(state.payments, entity, end, window)
    if kind == COUNT:
        return float(count)
    if count == 0:
        return 0.0
    if kind == MEAN_AMOUNT:
        return total / count / plan.unit
    return _frauds(state.outcomes, entity, time - plan.label_lag, end - window, end) / count


@numba.njit(cache=True)
def _habit(payments: Blocks, plan: Plan, feature: int, entity: int, at: int) -> Any:
    start, kind = payments.start[entity], plan.kind[feature]
    time = payments.slots[start + at, TIME]
    if kind == HABIT_RATIO:
        return float(payments.ratios[start + at])
    if kind == HABIT_AMOUNT:
        count, total = _count_and_sum(payments, entity, time - plan.habit_delay, plan.habit_window)
        return total / count / plan.unit if count else np.nan
    low = start + upper_bound(payments, entity, time - plan.window[feature])
    if kind == HABIT_ABOVE:
        above = 0
        for slot in range(low, start + at):
            above += payments.ratios[slot] > plan.number[feature]
        return float(above)
    highest = np.nan
    for slot in range(low, start + at):
        if not payments.ratios[slot] <= highest and not np.isnan(payments.ratios[slot]):
            highest = float(payments.ratios[slot])
    return highest


@numba.njit(cache=True)
def _effective(outcomes: Blocks, entity: int, last: int, counted: int) -> Any:
    start = outcomes.start[entity]
    time, payment = outcomes.slots[start + last, TIME], outcomes.slots[start + last, ID]
    label, i = -1, last
    while i >= 0 and outcomes.slots[start + i, TIME] == time and outcomes.slots[start + i, ID] == payment:
        if label < 0 and outcomes.slots[start + i, LABEL_TIME] <= counted:
            label = outcomes.slots[start + i, LABEL]
        i -= 1
    return i, time, label


@numba.njit(cache=True)
def _frauds(outcomes: Blocks, entity: int, counted: int, low: int, high: int) -> Any:
    frauds = 0
    i = upper_bound(outcomes, entity, high) - 1
    while i >= 0 and outcomes.slots[outcomes.start[entity] + i, TIME] > low:
        i, _, label = _effective(outcomes, entity, i, counted)
        frauds += label == 1
    return frauds


@numba.njit(cache=True)
def _share(state: State, plan: Plan, feature: int, entity: int, time: int) -> Any:
    outcomes, counted = state.outcomes, time - plan.label_lag
    low, implied = time - plan.window[feature], counted - plan.horizon
    before, until = upper_bound(state.payments, entity, low), upper_bound(state.payments, entity, implied)
    frauds, labelled = 0, max(0, until - before)
    i = upper_bound(outcomes, entity, time) - 1
    while i >= 0 and outcomes.slots[outcomes.start[entity] + i, TIME] > low:
        i, happened, label = _effective(outcomes, entity, i, counted)
        frauds += label == 1
        labelled += label >= 0 and happened > implied
    return frauds / labelled if labelled else np.nan


@numba.njit(cache=True)
def _known(state: State, plan: Plan, entity: int, time: int) -> Any:
    outcomes, counted = state.outcomes, time - plan.label_lag
    oldest, implied = time - plan.history, counted - plan.horizon
    genuine = _implied_genuine(state, plan, entity, time)
    fraud, run, run_first = NEVER, 0, NEVER
    i = upper_bound(outcomes, entity, time) - 1
    while i >= 0 and outcomes.slots[outcomes.start[entity] + i, TIME] > oldest:
        i, happened, label = _effective(outcomes, entity, i, counted)
        if label == 0 and happened > implied:
            genuine = max(genuine, happened)
        if label == 1:
            fraud = max(fraud, happened)
        if label == 1 and happened >= genuine:
            run, run_first = run + 1, happened
    return Known(genuine, fraud, run, run_first)


@numba.njit(cache=True)
def _implied_genuine(state: State, plan: Plan, entity: int, time: int) -> Any:
    payments, counted = state.payments, time - plan.label_lag
    end, oldest = counted - plan.horizon, time - plan.history
    i, start = upper_bound(payments, entity, end) - 1, payments.start[entity]
    while i >= 0 and payments.slots[start + i, TIME] > oldest:
        happened = payments.slots[start + i, TIME]
        before = upper_bound(payments, entity, happened - 1)
        if i + 1 - before > _frauds(state.outcomes, entity, counted, happened - 1, happened):
            return happened
        i = before - 1
    return NEVER


@numba.njit(cache=True)
def _label(kind: int, known: Known, time: int) -> Any:
    is_known = known.run > 0 or known.genuine > NEVER
    if kind == FRAUD_RUN:
        return float(known.run)
    if kind == LAST_LABEL and is_known:
        return 1.0 if known.run > 0 else 0.0
    if kind == FRAUD_RUN_DAYS:
        return (time - known.run_first) / DAY if known.run > 0 else 0.0
    if kind == DAYS_SINCE_GENUINE and known.genuine > NEVER:
        return (time - known.genuine) / DAY
    if kind == DAYS_SINCE_FRAUD and known.fraud > NEVER:
        return (time - known.fraud) / DAY
    return np.nan
