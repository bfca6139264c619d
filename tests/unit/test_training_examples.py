"""Examples: a register in which the higher rank wins, whatever came first."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import polars as pl

from services.training.examples import Examples, decoded, upserted
from shared import wire
from tests.unit.training_examples import made


def example(
    transaction_id: str = "p1", label: str = "genuine", rank: int = 0, at: int = 10, **more: object
) -> bytes:
    record = {
        "source": bytes(12),
        "transaction_id": transaction_id,
        "event_time": 5,
        "accepted_at": 6,
        "customer_id": "c",
        "terminal_id": "t",
        "amount": 100,
        "currency": "EUR",
        "amount_base": 100,
        "channel": "unknown",
        "customer_features": [1.0, 2.0],
        "customer_features_version": 1,
        "terminal_features": [3.0],
        "terminal_features_version": 1,
        "decision": "unscored",
        "policy_version": 1,
        "label": label,
        "label_time": at,
        "label_origin": "implied" if rank == 0 else "chargeback",
        "label_rank": rank,
    }
    return wire.encode("examples.v1", record | more)


def labels(*values: bytes) -> dict[str, bool]:
    found = upserted([decoded([value], version=1) for value in values])
    return dict(found.rows.select("transaction_id", "is_fraud").iter_rows())


def test_an_explicit_label_corrects_the_implied_one_in_any_order() -> None:
    records = [
        example(label="genuine", rank=0, at=90),
        example(label="fraud", rank=1, at=20),
        example(label="genuine", rank=1, at=30),
        example(label="fraud", rank=1, at=30),  # at the same time: rather a fraud
    ]
    assert {labels(*order)["p1"] for order in permutations(records)} == {True}
    assert labels(*records[:3]) == {"p1": False}
    assert labels(*records[:2]) == {"p1": True}


def test_a_repeated_record_changes_nothing() -> None:
    assert labels(example(), example("p2"), example()) == {"p1": False, "p2": False}


def test_features_stand_in_the_order_of_customer_then_terminal() -> None:
    found = upserted([decoded([example(), example("p0")], version=1)])
    np.testing.assert_array_equal(found.features, np.array([[1, 2, 3], [1, 2, 3]], np.float32))
    assert found.rows["transaction_id"].to_list() == ["p0", "p1"]


def test_examples_of_another_features_version_are_left_out() -> None:
    other = example("p2", terminal_features_version=2, terminal_features=[1.0, 2.0])
    assert labels(example(), other) == {"p1": False}


def test_the_digest_tells_rows_labels_and_features_apart() -> None:
    examples = made(days=2)
    digest = examples.digest()
    other = Examples(examples.rows.with_columns(is_fraud=~pl.col("is_fraud")), examples.features)
    moved = Examples(examples.rows, examples.features + 1)
    assert digest == made(days=2).digest()
    assert len({digest, other.digest(), moved.digest()}) == 3
