"""Fitting: a family of models to a predictor that scores the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import treelite.sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from services.training.online import pipeline
from services.training.recipe import Family
from shared.features import definitions
from shared.models import Blend, Kind, Linear, River, Trees

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]

# Chosen on weeks of the Handbook's data before the ones that are tested on: small trees on half of the
# features each, in small steps; no early stopping, since a random validation set is not ordered in time.
BOOSTED_TREES = 200
BOOSTED_LEAVES = 8
BOOSTED_RATE = 0.05
BOOSTED_FEATURES = 0.5
BOOSTED_LEAF_ROWS = 50
FOREST_TREES = 100
FOREST_DEPTH = 20  # bounds the package: no more accurate beyond
FOREST_JOBS = 1  # leaves the other cores to the stream
BLENDED_SEEDS = 3  # each more gains less
LOGISTIC_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted predictor and its kind."""

    kind: Kind
    predictor: Trees | Linear | Blend | River


def boosted(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return gradient boosted trees; undefined features go their own way at each node."""
    model = HistGradientBoostingClassifier(
        max_iter=BOOSTED_TREES,
        max_leaf_nodes=BOOSTED_LEAVES,
        learning_rate=BOOSTED_RATE,
        max_features=BOOSTED_FEATURES,
        min_samples_leaf=BOOSTED_LEAF_ROWS,
        early_stopping=False,
        random_state=seed,
    )
    is_unknown = np.isnan(features).all(axis=0)  # scikit-learn finds no bins there; a constant says as little
    with threadpool_limits(limits=1, user_api="openmp"):  # threads that wait for each other slow the stream
        model.fit(np.where(is_unknown, np.float32(0), features), is_fraud)
    return Fitted("trees", Trees(treelite.sklearn.import_model(model)))


def forest(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return a random forest."""
    model = RandomForestClassifier(
        FOREST_TREES, max_depth=FOREST_DEPTH, n_jobs=FOREST_JOBS, random_state=seed
    )
    return Fitted("trees", Trees(treelite.sklearn.import_model(model.fit(features, is_fraud))))


def logistic(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return a logistic regression on standardised features, the undefined ones at their median."""
    fills = medians(features, undefined=0.0)
    filled = np.where(np.isnan(features), fills, features.astype(np.float64))
    means, deviations = filled.mean(axis=0), filled.std(axis=0)
    deviations[deviations == 0] = 1.0  # a constant feature says nothing, whatever its scale
    model = LogisticRegression(max_iter=LOGISTIC_STEPS, random_state=seed)
    model.fit((filled - means) / deviations, is_fraud)
    return Fitted("linear", Linear(model.coef_[0], model.intercept_, fills, means, deviations))


def blend(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return a blend of boosted trees of several seeds and a random forest."""
    fitted = [boosted(features, is_fraud, BLENDED_SEEDS * seed + each) for each in range(BLENDED_SEEDS)]
    members = [*fitted, forest(features, is_fraud, seed)]
    return Fitted("blend", Blend([each.predictor for each in members if isinstance(each.predictor, Trees)]))


def online(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return the pipeline of the online learner, which took each row once in the order given."""
    known = definitions()
    model = pipeline(known)
    for row, is_one in zip(features.tolist(), is_fraud.tolist(), strict=True):
        defined = {name: value for name, value in zip(known.names, row, strict=True) if value == value}
        model.learn_one(defined, is_one)
    return Fitted("river", River(model, known.names))


FITS: dict[Family, Callable[[Features, Labels, int], Fitted]] = {
    "boosted": boosted,
    "forest": forest,
    "logistic": logistic,
    "blend": blend,
    "river": online,
}


def medians(features: Features, undefined: float = np.nan) -> npt.NDArray[np.float64]:
    """Return the median of the defined values of each feature; ``undefined`` where most are not.

    Examples
    --------
    >>> medians(np.array([[1, np.nan], [2, np.nan], [4, 8]], np.float32)).tolist()
    [2.0, nan]
    """
    result = np.full(features.shape[1], undefined, np.float64)
    is_defined = ~np.isnan(features)
    for column in np.flatnonzero(is_defined.sum(axis=0) * 2 > len(features)):
        result[column] = np.median(features[is_defined[:, column], column])
    return result
