"""The features of payments, compiled: insert each payment in order, then look back from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.compiled import compiled
from shared.features.blocks import (
    LABEL,
    SUM,
    TIME,
    Blocks,
    Ints,
    Rows,
    make_room,
    open_row,
    upper_bound,
)
from shared.features.known import counted_frauds, known_labels, label_feature
from shared.features.plan import (
    AMOUNT,
    COUNT,
    DAY,
    FIRST_WEEKDAY,
    HABIT_ABOVE,
    HABIT_AMOUNT,
    HABIT_RATIO,
    HOUR,
    LAST_LABEL,
    MEAN_AMOUNT,
    NEVER,
    NIGHT,
    RISK,
    SATURDAY,
    WEEKEND,
    Known,
    Outcomes,
    Payments,
    Plan,
    State,
)

# Numba's cache of this file does not see changes of these: an edit there must be an edit here.
BLOCKS_DIGEST, PLAN_DIGEST, KNOWN_DIGEST = "cc6b47a11049054a", "726129ea28454479", "c770a7a0b912dfc0"


@compiled
def advance(state: State, plan: Plan, batch: Payments, first: int, out: Rows) -> Any:
    """Add payments from row ``first`` on and write their features; return the rows done.

    Fewer than all are done when the arena is full: enlarge it and go on from there.
    """
    has_labels = False
    for kind in plan.kind:
        has_labels |= kind >= LAST_LABEL
    known = Known(NEVER, NEVER, 0, NEVER)
    for row in range(first, len(batch.entity)):
        at = _add(state.payments, plan, batch, row)
        if at < 0:
            return row
        entity, time, amount = batch.entity[row], batch.time[row], batch.amount[row]
        if has_labels:
            known = known_labels(state, plan, entity, time)
        window, end, count, total = 0, 0, 0, 0
        for feature in range(len(plan.kind)):
            kind = plan.kind[feature]
            if kind <= NIGHT:
                out[row, feature] = _own(plan, feature, time, amount)
            elif kind <= RISK:
                if plan.window[feature] != window or time - plan.delay[feature] != end:
                    window, end = plan.window[feature], time - plan.delay[feature]
                    count, total = _count_and_sum(state.payments, entity, end, window)
                out[row, feature] = _window(state, plan, feature, entity, time, (count, total))
            elif kind <= HABIT_ABOVE:
                out[row, feature] = _habit(state.payments, plan, feature, entity, at)
            else:
                out[row, feature] = label_feature(state, plan, feature, entity, time, known)
    return len(batch.entity)


@compiled
def learn(outcomes: Blocks, batch: Outcomes, first: int) -> Any:
    """Upsert outcomes from row ``first`` on; return the rows done."""
    rows = batch.rows
    for row in range(first, len(batch.entity)):
        entity = batch.entity[row]
        if not make_room(outcomes, entity, batch.cutoff):
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
            for column in range(rows.shape[1]):
                outcomes.slots[slot, column] = rows[row, column]
            if len(outcomes.values):
                outcomes.values[slot] = batch.carried[row]
    return len(batch.entity)


@compiled
def _order(slots: Ints, slot: int, rows: Ints, row: int) -> Any:
    for column in range(LABEL + 1):
        if slots[slot, column] != rows[row, column]:
            return 1 if slots[slot, column] > rows[row, column] else -1
    return 0


@compiled
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
    if len(payments.values):
        count, total = _count_and_sum(payments, entity, time - plan.habit_delay, plan.habit_window)
        payments.values[slot] = batch.amount[row] * count / total if total else np.nan
    return at


@compiled
def _count_and_sum(payments: Blocks, entity: int, end: int, window: int) -> Any:
    low, high = upper_bound(payments, entity, end - window), upper_bound(payments, entity, end)
    if low == high or payments.slots.shape[1] == 1:
        return high - low, 0
    start = payments.start[entity]
    before = payments.slots[start + low - 1, SUM] if low else 0
    return high - low, payments.slots[start + high - 1, SUM] - before


@compiled
def _own(plan: Plan, feature: int, time: int, amount: int) -> Any:
    kind = plan.kind[feature]
    if kind == AMOUNT:
        return amount / plan.unit
    if kind == WEEKEND:
        return 1.0 if (time // DAY + FIRST_WEEKDAY) % 7 >= SATURDAY else 0.0
    return 1.0 if time % DAY // HOUR <= plan.number[feature] else 0.0


@compiled
def _window(state: State, plan: Plan, feature: int, entity: int, time: int, within: Any) -> Any:
    kind, window, end = plan.kind[feature], plan.window[feature], time - plan.delay[feature]
    count, total = within
    if kind == COUNT:
        return float(count)
    if count == 0:
        return 0.0
    if kind == MEAN_AMOUNT:
        return total / count / plan.unit
    return counted_frauds(state.outcomes, entity, time - plan.label_lag, end - window, end) / count


@compiled
def _habit(payments: Blocks, plan: Plan, feature: int, entity: int, at: int) -> Any:
    start, kind = payments.start[entity], plan.kind[feature]
    time = payments.slots[start + at, TIME]
    if kind == HABIT_RATIO:
        return float(payments.values[start + at])
    if kind == HABIT_AMOUNT:
        count, total = _count_and_sum(payments, entity, time - plan.habit_delay, plan.habit_window)
        return total / count / plan.unit if count else np.nan
    low = start + upper_bound(payments, entity, time - plan.window[feature])
    if kind == HABIT_ABOVE:
        above = 0
        for slot in range(low, start + at):
            above += payments.values[slot] > plan.number[feature]
        return float(above)
    highest = np.nan
    for slot in range(low, start + at):
        if not payments.values[slot] <= highest and not np.isnan(payments.values[slot]):
            highest = float(payments.values[slot])
    return highest
