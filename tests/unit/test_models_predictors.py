"""Predictors: equal to the library that fitted them, and the same bits in any batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import tree

from shared.models import Blend, Linear, ModelRefused, Predictor, River, Trees
from shared.models.loading import predictor_of
from tests.unit.model_packages import NAMES, boosted, linear, manifest, river, rows, trees

BLEND = Blend([trees(), linear()])
PREDICTORS: dict[str, Predictor] = {"trees": trees(), "linear": linear(), "blend": BLEND, "river": river()}


@pytest.mark.parametrize("kind", PREDICTORS)
@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 199), max_size=6))
def test_a_score_has_the_same_bits_in_any_batch(kind: str, cuts: list[int]) -> None:
    predict, matrix = PREDICTORS[kind], rows(200, seed=7)
    parts = np.split(matrix, sorted(set(cuts)))
    np.testing.assert_array_equal(np.concatenate([predict(part) for part in parts]), predict(matrix))


@pytest.mark.parametrize("kind", PREDICTORS)
def test_one_row_alone_has_the_bits_it_has_in_a_batch(kind: str) -> None:
    predict, matrix = PREDICTORS[kind], rows(100, seed=8)
    alone = [predict(matrix[row : row + 1])[0] for row in range(len(matrix))]
    np.testing.assert_array_equal(alone, predict(matrix))


def test_trees_predict_what_scikit_learn_predicts() -> None:
    matrix = rows(5000, seed=9)
    np.testing.assert_allclose(trees()(matrix), boosted().predict_proba(matrix)[:, 1], rtol=0, atol=1e-12)


def test_a_value_on_a_threshold_goes_where_scikit_learn_sends_it() -> None:
    thresholds = np.concatenate([each[0].nodes["num_threshold"] for each in boosted()._predictors])
    matrix = np.repeat(thresholds.astype(np.float32)[:, None], len(NAMES), axis=1)
    np.testing.assert_allclose(trees()(matrix), boosted().predict_proba(matrix)[:, 1], rtol=0, atol=1e-12)


def test_a_linear_model_is_the_logistic_function_of_the_standardised_row() -> None:
    row = np.array([[1.0, 2.0, np.nan, 4.0]], np.float32)
    margin = (
        (1.0 - 0.1) * 1.0
        + (2.0 - 0.2) / 2.0 * -0.5
        + (0.0 - 0.3) / 0.5 * 2.0
        + (4.0 - 0.4) / 1.5 * 0.25
        - 1.5
    )
    assert linear()(row)[0] == pytest.approx(1 / (1 + math.exp(-margin)), abs=1e-12)


def test_models_survive_their_bytes() -> None:
    matrix = rows(64, seed=10)
    np.testing.assert_array_equal(Trees.from_bytes(trees().to_bytes())(matrix), trees()(matrix))
    np.testing.assert_array_equal(Linear.from_bytes(linear().to_bytes())(matrix), linear()(matrix))
    np.testing.assert_array_equal(River.from_bytes(river().to_bytes(), NAMES)(matrix), river()(matrix))


def test_river_sees_only_the_features_that_are_defined() -> None:
    class Echo:
        def predict_proba_one(self, x: dict[str, float]) -> dict[bool, float]:
            return {True: len(x) / 10}

    row = np.array([[1.0, np.nan, 3.0, np.nan]], np.float32)
    assert River(Echo(), NAMES)(row)[0] == pytest.approx(0.2)


def test_a_river_model_that_knows_no_class_gives_no_score() -> None:
    assert np.isnan(River(tree.HoeffdingTreeClassifier(), NAMES)(np.zeros((1, 4), np.float32))[0])


def test_a_blend_lies_at_the_mean_of_the_log_odds_of_its_parts() -> None:
    matrix = rows(64, seed=11)
    odds = [np.log(part(matrix) / (1 - part(matrix))) for part in BLEND.parts]
    np.testing.assert_allclose(BLEND(matrix), 1 / (1 + np.exp(-(odds[0] + odds[1]) / 2)), rtol=1e-12)


def test_a_blend_survives_its_bytes_and_a_damaged_one_is_refused() -> None:
    matrix, of = rows(64, seed=12), manifest(kind="blend")
    np.testing.assert_array_equal(predictor_of(of, BLEND.to_bytes())(matrix), BLEND(matrix))
    for content in (b"", Blend([]).to_bytes(), BLEND.to_bytes()[:-1]):
        with pytest.raises(ModelRefused):
            predictor_of(of, content)
