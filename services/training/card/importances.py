"""Which features a model's scores rest on: by shuffling them, and by Shapley values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.training.gates.evidence import Features, Labels, Scores
from services.training.gates.performance import Ranking
from shared.models import Model

SHUFFLED_ROWS = 3000
EXPLAINED_ROWS = 100
ORDERS = 6  # random orders of the features a payment, each taken forwards and backwards


def permutation_importances(
    model: Model, features: Features, is_fraud: Labels, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Return by how much average precision falls when one feature is shuffled, shape (k,) (Breiman, 2001)."""
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.permutation(len(features))[:SHUFFLED_ROWS])
    rows, truth, weights = features[chosen], is_fraud[chosen], np.ones(len(chosen))
    whole = Ranking.of(truth, model.predict(rows)).average_precision(weights)
    falls = np.empty(rows.shape[1])
    for column in range(rows.shape[1]):
        shuffled = rows.copy()
        shuffled[:, column] = draw.permutation(rows[:, column])
        falls[column] = whole - Ranking.of(truth, model.predict(shuffled)).average_precision(weights)
    return falls


def shapley_importances(model: Model, features: Features, scores: Scores, seed: int = 0) -> Scores:
    """Return the mean absolute Shapley value of each feature over the highest scores, shape (k,).

    The game is that of an alert's reasons: a feature that is left out takes its typical value. Values are
    estimated over random orders of the features, each in both directions (Strumbelj and Kononenko, 2014;
    Mitchell et al., 2022).
    """
    rows = features[np.argsort(-scores, kind="stable")[:EXPLAINED_ROWS]]
    found: Scores = np.abs(shapley_values(model, rows, seed)).mean(axis=0)
    return found


def shapley_values(model: Model, rows: Features, seed: int = 0) -> Scores:
    """Return each feature's part of each score's distance to the typical row's, shape (n, k).

    The parts of a row add up to that distance.
    """
    draw = np.random.default_rng(seed)
    total = np.zeros(rows.shape)
    for _ in range(ORDERS):
        order = draw.permutation(rows.shape[1])
        total += _along(model, rows, order) + _along(model, rows, order[::-1])
    return total / (2 * ORDERS)


def _along(model: Model, rows: Features, order: npt.NDArray[np.intp]) -> Scores:
    """Let features take their true values one after the other; return by how much each moves the score."""
    count, width = rows.shape
    steps = np.empty((width + 1, count, width), np.float32)
    steps[0] = model.medians
    for place, column in enumerate(order):
        steps[place + 1] = steps[place]
        steps[place + 1, :, column] = rows[:, column]
    scores = model.predict(steps.reshape(-1, width)).reshape(width + 1, count)
    found = np.empty((count, width))
    found[:, order] = np.diff(scores, axis=0).T
    return found
