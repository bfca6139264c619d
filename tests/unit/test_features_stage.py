"""What the stage takes over from outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from services.features.stage import FeaturesStage
from shared import wire
from shared.features import definitions
from shared.stream import Batch
from tests.unit.test_schemas import example

FEATURES = definitions()
CUSTOMER, TERMINAL = (FEATURES.entity(name) for name in ("customer", "terminal"))
RATIO = CUSTOMER.names.index("customer_habit_ratio")
DAY = 86_400_000_000


def batch(topic: str, records: list[dict[str, object]]) -> Batch:
    keys = [str(record["terminal_id"]).encode() for record in records]
    values = [wire.encode(topic, record) for record in records]
    places = np.zeros(len(records), np.int32), np.arange(len(records)), np.zeros(len(records), np.int64)
    return Batch(topic, keys, values, *places)


@pytest.mark.parametrize(("version", "width", "expected"), [(0, 0, 1.5), (1, 0, np.nan), (1, -9, np.nan)])
def test_what_an_outcome_carries_counts_only_when_our_definitions_made_it(
    version: int, width: int, expected: float
) -> None:
    stage = FeaturesStage(FEATURES, TERMINAL)
    values = [0.0] * (len(CUSTOMER.names) + width)
    values[RATIO if width == 0 else 0] = 1.5
    carried = {"customer_features": values, "customer_features_version": FEATURES.version + version}
    outcome = {**example("outcomes.terminal.v1"), **carried}
    assert outcome["label"] == "fraud"
    stage.process(batch("outcomes.terminal.v1", [outcome]))
    later = {**example("features.customer.v1"), "event_time": outcome["label_time"] + DAY}
    (sent,) = stage.process(batch("features.customer.v1", [{**later, "terminal_id": outcome["terminal_id"]}]))
    found = wire.decode(sent.values[0])["terminal_features"]
    assert found[TERMINAL.names.index("terminal_last_label")] == 1
    np.testing.assert_equal(found[TERMINAL.names.index("terminal_fraud_least_habit_ratio")], expected)
