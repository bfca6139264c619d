"""Training: a recipe applied to the newest matured examples, and tried on earlier ones in time order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.training.examples import Examples
from services.training.failure import TrainingError
from services.training.fit import FITS, Fitted, medians
from services.training.metrics import Metrics, metrics
from services.training.recipe import Recipe
from services.training.split import DAY, Split, matured_until, parts, split
from shared.models.predictors import corrected

LEAST_FRAUDS = 20  # below this a fit is chance
LEAST_TEST_FRAUDS = 5
HASH_RANGE = 2**64


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model with what its manifest tells."""

    fitted: Fitted
    genuine_rate: float
    medians: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    """Features of all payments of the training days, before any was left out of the sample."""
    rows: int
    frauds: int
    training_set: str
    newest: int
    """Event time of the newest row, microseconds."""

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return probabilities of fraud, shape (n,)."""
        return corrected(self.fitted.predictor(features), self.genuine_rate)


def trained(examples: Examples, recipe: Recipe) -> Trained:
    """Return a model fitted to all of the examples.

    Raises
    ------
    TrainingError
        If there are too few frauds, or no genuine payment.
    """
    if examples.frauds < LEAST_FRAUDS or examples.frauds == len(examples):
        raise TrainingError(
            f"{examples.frauds} frauds among {len(examples)} labelled payments of the training days: "
            f"{LEAST_FRAUDS} and some genuine ones are needed; wait for more labels or raise --days"
        )
    chosen = examples.where(is_sampled(examples, recipe.sample))
    genuine, kept = len(examples) - examples.frauds, len(chosen) - chosen.frauds
    if kept == 0:
        raise TrainingError(f"--sample {recipe.sample} keeps none of {genuine} genuine payments; raise it")
    return Trained(
        FITS[recipe.family](chosen.features, chosen.is_fraud, recipe.seed),
        kept / genuine,
        medians(examples.features),
        examples.features,
        len(chosen),
        chosen.frauds,
        chosen.digest(),
        int(examples.times.max()),
    )


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe tried in time order: what was fitted to earlier days, and what it was tested on."""

    model: Trained
    train: Examples
    test: Examples
    windows: Split

    @property
    def metrics(self) -> Metrics:
        """How well it told the frauds of the test days."""
        return metrics(self.test.rows, self.model.predict(self.test.features))


def trial(examples: Examples, recipe: Recipe) -> Tried:
    """Return the recipe tried in time order: fitted, the label delay waited for, tested.

    Raises
    ------
    TrainingError
        If the windows hold too few frauds.
    """
    windows = split(matured_until(examples), recipe.days, recipe.delay_days, recipe.test_days)
    train, test = parts(examples, windows)
    if test.frauds < LEAST_TEST_FRAUDS or test.frauds == len(test):
        raise TrainingError(
            f"{test.frauds} frauds among {len(test)} payments of the test days: {LEAST_TEST_FRAUDS} and some "
            "genuine ones are needed; wait for more labels or raise --test-days"
        )
    return Tried(trained(train, recipe), train, test, windows)


def tried(examples: Examples, recipe: Recipe) -> Metrics:
    """Return the metrics of the recipe in time order; raises TrainingError as `trial`."""
    return trial(examples, recipe).metrics


def newest(examples: Examples, recipe: Recipe) -> Trained:
    """Return the model to publish: the recipe fitted to the newest days whose labels are all known.

    Raises
    ------
    TrainingError
        If they hold too few frauds.
    """
    end = matured_until(examples)
    return trained(examples.within(end - recipe.days * DAY, end), recipe)


def is_sampled(examples: Examples, share: float) -> npt.NDArray[np.bool_]:
    """Return which rows are kept: all frauds, and genuine payments by a hash of their id."""
    limit = int(share * HASH_RANGE)
    is_kept = examples.is_fraud.copy()
    ids = examples.rows["transaction_id"].to_list()
    for row in np.flatnonzero(~is_kept).tolist():
        is_kept[row] = _hash(ids[row]) < limit
    return is_kept


def _hash(transaction_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(transaction_id.encode(), digest_size=8).digest(), "big")
