"""The pandas implementation that `make accuracy` trusts agrees with the windows on random tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared.features import definitions
from tests.accuracy.reference import EXACT, NAMES, different, reference
from tests.unit.features_plainly import Fact, Feed, Payment
from tests.unit.test_features_windows import labels, stream

FEATURES = definitions()


def tables(payments: list[Payment], terminals: list[bytes], facts: list[Fact]):  # type: ignore[no-untyped-def]
    frame = pd.DataFrame(
        {
            "transaction_id": [str(each.number) for each in payments],
            "event_time": [each.time for each in payments],
            "customer_id": [each.entity.decode() for each in payments],
            "terminal_id": [each.decode() for each in terminals],
            "amount": [each.amount for each in payments],
        }
    )
    rows = [(str(f.payment.number), "fraud" if f.label else "genuine", f.label_time) for f in facts]
    return frame, pd.DataFrame(rows, columns=["transaction_id", "label", "label_time"])


@pytest.mark.parametrize("seed", range(3))
def test_reference_and_windows_agree(seed: int) -> None:
    payments = stream(seed, is_late=False)
    terminals = [b"%d" % each for each in np.random.default_rng(seed).integers(0, 4, len(payments))]
    at_terminals = [p._replace(entity=m) for p, m in zip(payments, terminals, strict=True)]
    facts = labels(at_terminals, seed, 1.0)
    customers = Feed(FEATURES, FEATURES.entity("customer")).run(payments, [], [])
    ratios = customers[:, NAMES.index("customer_habit_ratio")].tolist()
    facts = [fact._replace(carried=ratios[fact.payment.number]) for fact in facts]
    outcomes = Feed(FEATURES, FEATURES.entity("terminal")).run(at_terminals, facts, [])
    ours = np.hstack([customers, outcomes])
    theirs = reference(*tables(payments, terminals, facts))
    assert different(ours, theirs) == 0
    ours[7, NAMES.index("customer_count_7d")] += 1
    ours[9, NAMES.index("customer_mean_amount_7d")] *= 1.00001
    assert different(ours, theirs) == 2


def test_reference_has_the_features_of_the_schema() -> None:
    assert tuple(NAMES) == FEATURES.names
    exact = {"weekend", "night", "count", "habit_above", "last_label", "fraud_run"}
    kinds = {each.name for entity in FEATURES.entities for each in entity.features if each.kind in exact}
    assert set(EXACT) == kinds


def test_undefined_equals_only_undefined() -> None:
    undefined, zero = np.full((1, len(NAMES)), np.nan), np.zeros((1, len(NAMES)))
    assert different(undefined, undefined) == 0
    assert different(zero, undefined) == len(NAMES)
    assert different(undefined, zero) == len(NAMES)
