"""Payments with features and models that fit them, for tests of scoring and alerts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared import wire
from shared.features import definitions
from shared.models import Linear, Model, pack
from shared.stream import Batch
from tests.unit.model_packages import manifest

FEATURES = definitions()
WIDTH = len(FEATURES.names)
CUSTOMER_WIDTH = len(FEATURES.entities[0].features)
START = 1_522_540_800_000_000
PAYMENT = {
    "accepted_at": START,
    "amount": 1000,
    "currency": "EUR",
    "amount_base": 1000,
    "channel": "online",
    "merchant_category": None,
    "country": "FR",
    "device_id": None,
    "card_token": None,
    "customer_features_version": FEATURES.version,
    "terminal_features_version": FEATURES.version,
}


def features(count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Features of which one in ten is undefined."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(count, WIDTH)).astype(np.float32)
    matrix[generator.random(matrix.shape) < 0.1] = np.nan
    return matrix


def payment(number: int, row: npt.NDArray[np.float32], **changes: Any) -> bytes:
    """A record of features.terminal.v1."""
    record = PAYMENT | {
        "source": wire.source_bytes(number % 4, number),
        "transaction_id": f"t{number}",
        "event_time": START + number,
        "customer_id": f"c{number % 50}",
        "terminal_id": f"m{number % 7}",
        "customer_features": row[:CUSTOMER_WIDTH].tolist(),
        "terminal_features": row[CUSTOMER_WIDTH:].tolist(),
    }
    return wire.encode("features.terminal.v1", record | changes)


def batch_of(topic: str, values: list[bytes], first: int = 0) -> Batch:
    """Records as they come from partition 1, a millisecond apart."""
    offsets = np.arange(first, first + len(values), dtype=np.int64)
    keys = [b"t%d" % offset for offset in offsets.tolist()]
    return Batch(topic, keys, values, np.full(len(values), 1, np.int32), offsets, offsets + 5_000)


def payments(matrix: npt.NDArray[np.float32], first: int = 0) -> Batch:
    """A batch of payments with these features."""
    values = [payment(first + number, row) for number, row in enumerate(matrix)]
    return batch_of("features.terminal.v1", values, first)


def linear(seed: int = 0) -> Linear:
    """A logistic regression whose scores lie on both sides of the thresholds."""
    weights = np.random.default_rng(seed).normal(size=WIDTH) / 2
    ones = np.ones(WIDTH)
    return Linear(weights=weights, bias=np.array([0.2]), fills=0 * ones, means=0 * ones, deviations=ones)


def medians() -> list[float | None]:
    """Typical values, the last of them mostly undefined."""
    return [place / 100 for place in range(WIDTH - 1)] + [None]


def wide_manifest(version: str, **changes: Any) -> Any:
    """A manifest for all features of the repository."""
    due = {"features": list(FEATURES.names), "features_version": FEATURES.version, "medians": medians()}
    return manifest("linear", **({"version": version, "genuine_rate": 1.0} | due | changes))


def wide_package(version: str, seed: int = 0, **changes: Any) -> bytes:
    """A package of `linear`."""
    return pack(wide_manifest(version, **changes), linear(seed).to_bytes())


def wide_model(version: str, seed: int = 0) -> Model:
    """A model as `wide_package` holds it."""
    typical = np.array([np.nan if each is None else each for each in medians()], np.float32)
    return Model(wide_manifest(version), linear(seed), typical)
