"""A model, quick to fit, that flags a few payments in a hundred."""

from __future__ import annotations

import numpy as np

from services.training.fit import FITS, Fitted
from services.training.publish import manifest_of, publish
from services.training.recipe import Family, Recipe
from services.training.train import Trained
from shared.features import definitions
from shared.models import Manifest, ModelRecord
from shared.settings import Settings

ROWS = 4000
HIGH_AMOUNT = 150.0
EPOCH_OF_MODEL = 1_522_540_800_000_000


def fitted_model(seed: int = 0, family: Family = "boosted", flipped: float = 0.0) -> tuple[Manifest, Fitted]:
    """Return a model of a family, fitted to random features, with its manifest.

    ``flipped`` is the share of labels that are wrong: the more, the larger its trees.
    """
    features = definitions()
    draw = np.random.default_rng(seed)
    matrix = draw.gamma(2.0, 30.0, (ROWS, len(features.names))).astype(np.float32)
    matrix[draw.random(matrix.shape) < 0.1] = np.nan
    is_fraud = (np.nan_to_num(matrix[:, 0]) > HIGH_AMOUNT) ^ (draw.random(ROWS) < flipped)
    fitted = FITS[family](matrix, is_fraud, seed)
    medians = np.nanmedian(matrix, axis=0).astype(np.float64)
    frauds = int(is_fraud.sum())
    trained = Trained(fitted, 1.0, medians, matrix, ROWS, frauds, "00" * 32, EPOCH_OF_MODEL)
    return manifest_of(trained, Recipe(family, seed=seed), {"auc_roc": None}, features), fitted


def publish_model(settings: Settings, seed: int = 0, family: Family = "boosted") -> ModelRecord:
    """Publish such a model as the champion."""
    manifest, fitted = fitted_model(seed, family)
    return publish(manifest, fitted.predictor.to_bytes(), "champion", settings)
