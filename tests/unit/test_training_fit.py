"""Fitting: served trees equal scikit-learn's, the prior is corrected, the same rows give the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import treelite.sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from services.training.failure import TrainingError
from services.training.fit import FITS, logistic
from services.training.online import pipeline
from services.training.recipe import FAMILIES, Family, Recipe
from services.training.split import DAY
from services.training.train import is_sampled, newest, trained, tried
from shared.features import definitions
from shared.models import Trees
from tests.unit.training_examples import made

EXAMPLES = made(days=40)
WIDE = made(days=40, width=len(definitions().names))  # the online pipeline knows its features by name


def with_gaps(features: np.ndarray) -> np.ndarray:
    generator = np.random.default_rng(5)
    return np.where(generator.random(features.shape) < 0.1, np.float32(np.nan), features)


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, max_features=0.5, random_state=0),
        RandomForestClassifier(10, max_depth=6, random_state=0),
    ],
    ids=["boosted", "forest"],
)
def test_trees_give_the_probabilities_of_scikit_learn_where_features_are_undefined_too(model: Any) -> None:
    features = with_gaps(EXAMPLES.features)
    model.fit(features, EXAMPLES.is_fraud)
    served = Trees(treelite.sklearn.import_model(model))(features)
    np.testing.assert_allclose(served, model.predict_proba(features)[:, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_feature_that_was_never_defined_says_nothing(family: Family) -> None:
    features = WIDE.features.copy()
    features[:, 2] = np.nan
    found = FITS[family](features, WIDE.is_fraud, 0).predictor
    scores = found(features)
    features[:, 2] = 1e6
    assert np.isfinite(scores).all()
    if family not in ("logistic", "river"):  # which have a weight for it where it is, or is not, defined
        np.testing.assert_array_equal(found(features), scores)


def test_the_logistic_regression_is_that_of_scikit_learn_on_standardised_features() -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(EXAMPLES.features.astype(np.float64), EXAMPLES.is_fraud)
    expected = pipeline.predict_proba(EXAMPLES.features.astype(np.float64))[:, 1]
    found = logistic(EXAMPLES.features, EXAMPLES.is_fraud, seed=0).predictor(EXAMPLES.features)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_the_online_pipeline_takes_each_row_once_and_in_order() -> None:
    names, model = definitions().names, pipeline(definitions())
    for row, is_fraud in zip(with_gaps(WIDE.features).tolist(), WIDE.is_fraud.tolist(), strict=True):
        model.learn_one({n: v for n, v in zip(names, row, strict=True) if v == v}, is_fraud)
    found = FITS["river"](with_gaps(WIDE.features), WIDE.is_fraud, 0).predictor
    due = [
        model.predict_proba_one(dict(zip(names, row, strict=True)))[True] for row in WIDE.features.tolist()
    ]
    assert found(WIDE.features).tolist() == due


def test_a_sampled_model_gives_probabilities_as_of_all_payments() -> None:
    found = trained(EXAMPLES, Recipe(sample=0.2))
    assert found.genuine_rate == pytest.approx(0.2, abs=0.03)
    mean = float(found.predict(EXAMPLES.features).mean())
    assert mean == pytest.approx(EXAMPLES.frauds / len(EXAMPLES), rel=0.1)
    raw = found.fitted.predictor(EXAMPLES.features)
    by_odds = found.genuine_rate * raw / (1 - raw)  # odds fall by the share that was kept
    np.testing.assert_allclose(found.predict(EXAMPLES.features), by_odds / (1 + by_odds), atol=1e-12)


def test_all_frauds_are_kept_and_a_payment_is_sampled_by_its_id_alone() -> None:
    is_kept = is_sampled(EXAMPLES, 0.3)
    assert is_kept[EXAMPLES.is_fraud].all()
    assert is_kept[~EXAMPLES.is_fraud].mean() == pytest.approx(0.3, abs=0.05)
    half = np.arange(len(EXAMPLES)) % 2 == 0
    assert (is_sampled(EXAMPLES.where(half), 0.3) == is_kept[half]).all()


def test_the_whole_is_kept_at_a_share_of_one() -> None:
    assert is_sampled(EXAMPLES, 1.0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_rows_give_the_same_model_bytes(family: Family) -> None:
    again = made(days=40, width=len(definitions().names))
    first, second = trained(WIDE, Recipe(family)), trained(again, Recipe(family))
    assert first.training_set == second.training_set
    assert first.fitted.predictor.to_bytes() == second.fitted.predictor.to_bytes()


def test_the_published_model_learns_from_no_payment_whose_label_may_still_come() -> None:
    examples = made(days=40, implied_until=35 * DAY)
    found = newest(examples, Recipe(days=20, sample=1.0))
    assert 34 * DAY < found.newest < 35 * DAY
    assert found.rows == 20 * 60


def test_the_trial_tells_frauds_it_was_not_trained_on() -> None:
    found = tried(EXAMPLES, Recipe(days=14))
    assert found["auc_roc"] is not None
    assert found["auc_roc"] > 0.95
    assert 0 < (found["test_rows"] or 0) < 7 * 60  # the known customers are gone


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (Recipe(days=0), "0 frauds among 0 labelled payments"),
        (Recipe(test_days=0), "0 frauds among 0 payments of the test days"),
        (Recipe(sample=1e-9), "--sample 1e-09 keeps none"),
    ],
)
def test_what_no_model_can_come_of_is_said_in_one_sentence(recipe: Recipe, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        tried(EXAMPLES, recipe)
