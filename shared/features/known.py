"""Features of the labels that are known of an entity's payments, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.compiled import compiled
from shared.features.blocks import ID, LABEL, LABEL_TIME, TIME, Blocks, upper_bound
from shared.features.plan import (
    DAY,
    DAYS_AFTER_FRAUD,
    DAYS_SINCE_FRAUD,
    DAYS_SINCE_GENUINE,
    FRAUD_LEAST,
    FRAUD_RUN,
    FRAUD_RUN_DAYS,
    FRAUD_SHARE,
    LAST_LABEL,
    NEVER,
    Known,
    Plan,
    State,
)

# Numba's cache of this file does not see changes of these two: an edit there must be an edit here.
BLOCKS_DIGEST, PLAN_DIGEST = "cc6b47a11049054a", "726129ea28454479"


@compiled
def label_feature(state: State, plan: Plan, feature: int, entity: int, time: int, known: Known) -> Any:
    """Return a feature of the known labels at a time; NaN where it is undefined."""
    kind = plan.kind[feature]
    if kind == FRAUD_SHARE:
        return _share(state, plan, feature, entity, time)
    if kind == FRAUD_LEAST:
        return _least(state.outcomes, plan, feature, entity, time)
    if kind == DAYS_AFTER_FRAUD:
        return _after(state.payments, plan, entity, known.fraud, time)
    return _label(kind, known, time)


@compiled
def _effective(outcomes: Blocks, entity: int, last: int, counted: int) -> Any:
    start = outcomes.start[entity]
    time, payment = outcomes.slots[start + last, TIME], outcomes.slots[start + last, ID]
    label, i = -1, last
    while i >= 0 and outcomes.slots[start + i, TIME] == time and outcomes.slots[start + i, ID] == payment:
        if label < 0 and outcomes.slots[start + i, LABEL_TIME] <= counted:
            label = outcomes.slots[start + i, LABEL]
        i -= 1
    return i, time, label


@compiled
def counted_frauds(outcomes: Blocks, entity: int, counted: int, low: int, high: int) -> Any:
    """Return how many payments in (low, high] are frauds by the labels until ``counted``."""
    frauds = 0
    i = upper_bound(outcomes, entity, high) - 1
    while i >= 0 and outcomes.slots[outcomes.start[entity] + i, TIME] > low:
        i, _, label = _effective(outcomes, entity, i, counted)
        frauds += label == 1
    return frauds


@compiled
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


@compiled
def _least(outcomes: Blocks, plan: Plan, feature: int, entity: int, time: int) -> Any:
    start, counted, low = outcomes.start[entity], time - plan.label_lag, time - plan.window[feature]
    least = np.nan
    i = upper_bound(outcomes, entity, time) - 1
    while i >= 0 and outcomes.slots[start + i, TIME] > low:
        carried = outcomes.values[start + i]
        i, _, label = _effective(outcomes, entity, i, counted)
        if label == 1 and not np.isnan(carried) and not carried >= least:
            least = float(carried)
    return least


@compiled
def _after(payments: Blocks, plan: Plan, entity: int, fraud: int, time: int) -> Any:
    if fraud == NEVER:
        return np.nan
    first = upper_bound(payments, entity, fraud)
    if first >= upper_bound(payments, entity, time - plan.label_lag):  # younger ones come in any order
        return 0.0
    return (time - payments.slots[payments.start[entity] + first, TIME]) / DAY


@compiled
def known_labels(state: State, plan: Plan, entity: int, time: int) -> Any:
    """Return the newest known labels of an entity at a time."""
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


@compiled
def _implied_genuine(state: State, plan: Plan, entity: int, time: int) -> Any:
    payments, counted = state.payments, time - plan.label_lag
    end, oldest = counted - plan.horizon, time - plan.history
    i, start = upper_bound(payments, entity, end) - 1, payments.start[entity]
    while i >= 0 and payments.slots[start + i, TIME] > oldest:
        happened = payments.slots[start + i, TIME]
        before = upper_bound(payments, entity, happened - 1)
        if i + 1 - before > counted_frauds(state.outcomes, entity, counted, happened - 1, happened):
            return happened
        i = before - 1
    return NEVER


@compiled
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
