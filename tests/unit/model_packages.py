"""Small models and their packages, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version as installed
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import treelite.sklearn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from river import linear_model, preprocessing
from sklearn.ensemble import HistGradientBoostingClassifier

from shared.models import (
    Kind,
    Linear,
    Manifest,
    ModelRecord,
    River,
    Status,
    Trees,
    fingerprint,
    pack,
    sign,
)
from shared.models.records import Switch

NAMES = ["amount", "count", "risk", "habit"]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = {fingerprint(KEY.public_key()): KEY.public_key()}


@dataclass(frozen=True)
class Definitions:
    version: int = 1
    names: Sequence[str] = field(default_factory=lambda: list(NAMES))


def rows(count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Features of which one in ten is undefined."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(count, len(NAMES))).astype(np.float32)
    matrix[generator.random(matrix.shape) < 0.1] = np.nan
    return matrix


@cache
def boosted() -> Any:
    matrix = rows(3000)
    is_fraud = np.nansum(matrix[:, :2], axis=1) > 1.5
    return HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, random_state=0).fit(matrix, is_fraud)


@cache
def trees() -> Trees:
    return Trees(treelite.sklearn.import_model(boosted()))


def linear() -> Linear:
    return Linear(
        weights=np.array([1.0, -0.5, 2.0, 0.25]),
        bias=np.array([-1.5]),
        fills=np.zeros(4),
        means=np.array([0.1, 0.2, 0.3, 0.4]),
        deviations=np.array([1.0, 2.0, 0.5, 1.5]),
    )


def river() -> River:
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    for row in np.nan_to_num(rows(300)).tolist():
        model.learn_one(dict(zip(NAMES, row, strict=True)), row[0] > 0.5)
    return River(model, NAMES)


@cache
def content(kind: Kind) -> bytes:
    models: dict[Kind, Trees | Linear | River] = {"trees": trees(), "linear": linear(), "river": river()}
    return models[kind].to_bytes()


def manifest(kind: Kind = "trees", **changes: Any) -> Manifest:
    made = Manifest(
        version="2018-08-14-0a1b2c3d",
        kind=kind,
        family="boosted",
        created_at=1_534_204_800_000_000,
        features=list(NAMES),
        features_version=1,
        medians=[0.0, 0.1, None, 0.3],
        histograms={name: [1, 2, 0] for name in NAMES},
        genuine_rate=0.1,
        rows=3000,
        frauds=300,
        training_set="00" * 32,
        metrics={"auc": 0.9, "average_precision": None},
        libraries={name: installed(name) for name in ("treelite", "river")},
        author="tests",
    )
    return msgspec.structs.replace(made, **changes)


def package(kind: Kind = "trees", **changes: Any) -> bytes:
    return pack(manifest(kind, **changes), content(kind))


def record(
    of: bytes, key: Ed25519PrivateKey = KEY, status: Status = "published", **changes: Any
) -> ModelRecord:
    signature, signer = sign(of, key)
    made = ModelRecord(
        version=manifest().version,
        status=status,
        event_time=1_534_204_800_000_000,
        who="tests",
        reason="a test",
        package=f"{manifest().version}/model.zip",
        sha256=hashlib.sha256(of).hexdigest(),
        signature=signature,
        signer=signer,
        manifest="{}",
    )
    return msgspec.structs.replace(made, **changes)


class Numbering:
    """Events with the numbers that a topic would give them."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self, of: ModelRecord) -> ModelRecord:
        self.last += 1
        return msgspec.structs.replace(of, sequence=self.last)


def moved(version: str, status: Status | Switch, **changes: Any) -> ModelRecord:
    """An event after the publication, not numbered."""
    made = ModelRecord(version=version, status=status, event_time=0, who="tests", reason="a test")
    return msgspec.structs.replace(made, **changes)
