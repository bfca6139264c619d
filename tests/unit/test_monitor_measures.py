"""Distances, performance and estimates: against other libraries and worked numbers."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)

from services.monitor import alarms, distances, estimation, performance, series
from services.monitor.labelled import by_label
from services.monitor.labelled import performance as measured
from services.monitor.rates import LEVEL, PATIENCE_DAYS, Rate
from services.monitor.series import Sensitivity, Series
from services.monitor.summaries import Totals
from shared.policy import Decision
from tests.unit.monitor_sketches import label_sketch

DRAW = np.random.default_rng(3)
LABELS = DRAW.random(4000) < 0.05
SCORES = np.clip(DRAW.normal(0.2 + 0.3 * LABELS, 0.2), 0, 1)


@pytest.mark.parametrize("module", [alarms, distances, estimation, performance, series])
def test_the_numbers_in_the_documentation_are_right(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted
    assert not found.failed


def totals() -> Totals:
    found = Totals()
    found.add(label_sketch(3, 0, SCORES.tolist(), LABELS.tolist()))
    return found


def binned() -> np.ndarray:
    genuine, frauds = totals().histograms["score_genuine"], totals().histograms["score_fraud"]
    places = np.arange(len(genuine) - 1)
    rows = np.concatenate((np.repeat(places, genuine[:-1]), np.repeat(places, frauds[:-1])))
    return np.column_stack((rows, np.arange(len(rows)) >= genuine[:-1].sum()))


def test_auc_and_average_precision_are_those_of_scikit_learn_on_the_bins() -> None:
    genuine, frauds = by_label(totals(), "score")
    places, is_fraud = binned().T
    assert performance.area_under_curve(genuine, frauds) == pytest.approx(roc_auc_score(is_fraud, places))
    assert performance.average_precision(genuine, frauds) == pytest.approx(
        average_precision_score(is_fraud, places)
    )


def test_losses_and_brier_are_those_of_scikit_learn() -> None:
    values = {each.name.removeprefix("performance."): each.value for each in measured(totals(), True)}
    expected, realised = SCORES * 100, LABELS * 100.0
    assert values["brier"] == pytest.approx(brier_score_loss(LABELS, SCORES))
    assert values["loss_mse"] == pytest.approx(mean_squared_error(realised, expected))
    assert values["loss_r2"] == pytest.approx(r2_score(realised, expected))


def test_a_decision_counts_from_the_threshold_on() -> None:
    found = performance.Confusion.of(*by_label(totals(), "decision"), Decision.REVIEW)
    flagged = SCORES >= 0.3
    assert found.true_positives == int((flagged & LABELS).sum())
    assert found.false_positives == int((flagged & ~LABELS).sum())
    assert found.true_negatives + found.false_negatives == int((~flagged).sum())


def test_without_a_fraud_what_cannot_be_told_is_none() -> None:
    none = Totals()
    none.add(label_sketch(3, 0, [0.1, 0.2], [False, False]))
    values = {each.name: each.value for each in measured(none, False)}
    assert (
        values["performance.auc"] is values["performance.ap"] is values["performance.recall.review"] is None
    )
    assert values["performance.accuracy.review"] == 1


COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=12).filter(lambda each: sum(each) > 0)


@given(COUNTS, st.data())
def test_equal_histograms_are_no_distance_apart_and_others_are_some(
    counts: list[int], data: st.DataObject
) -> None:
    first = np.array(counts)
    size = {"min_size": len(counts), "max_size": len(counts)}
    second = np.array(data.draw(st.lists(st.integers(0, 50), **size).filter(lambda each: sum(each) > 0)))
    assert distances.population_stability(first, first) == pytest.approx(0)
    assert distances.population_stability(first, second) >= 0
    rows = [np.repeat(np.arange(len(each)), each) for each in (first, second)]
    assert distances.kolmogorov_smirnov(first, second) == pytest.approx(ks_2samp(*rows).statistic)


def test_chance_distance_is_what_draws_from_one_distribution_give_on_average() -> None:
    shares = np.full(8, 1 / 8)
    pairs = [(DRAW.multinomial(900, shares), DRAW.multinomial(3000, shares)) for _ in range(300)]
    found = np.mean([distances.population_stability(*each) for each in pairs])
    assert found == pytest.approx(distances.chance_stability(*pairs[0]), rel=0.1)


@pytest.mark.parametrize("bad", [np.array([1, 2, 3]), np.array([0, 0])])
def test_histograms_that_cannot_be_compared_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"cannot be compared|lies nowhere"):
        distances.population_stability(np.array([1, 2]), bad)


def test_an_estimate_without_labels_is_right_while_the_scores_keep_their_meaning() -> None:
    scores = DRAW.beta(0.3, 4, 60_000)
    is_fraud = DRAW.random(len(scores)) < scores
    found = Totals()
    found.add(label_sketch(3, 0, scores.tolist(), is_fraud.tolist()))
    genuine, frauds = by_label(found, "score")
    told = estimation.estimated(genuine + frauds, estimation.calibrated(np.zeros(1), np.zeros(1)))
    assert told["auc"] == pytest.approx(roc_auc_score(is_fraud, scores), abs=0.01)
    assert told["ap"] == pytest.approx(average_precision_score(is_fraud, scores), abs=0.03)


SENSITIVITY = Sensitivity(1e-6, 0.5, 3.0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-0.4, 0.4), min_size=60, max_size=60))
def test_values_below_the_slack_are_no_change(values: list[float]) -> None:
    watched = Series(Sensitivity(1e-12, 1.0, 3.0))
    assert not [fired for value in values if (fired := watched.update(value))]


def test_a_large_change_is_seen_at_once_and_said_once_by_page_hinkley() -> None:
    watched = Series(SENSITIVITY)
    fired = [watched.update(5.0 if day >= 20 else 0.0) for day in range(40)]
    assert [day for day, each in enumerate(fired) if "page-hinkley" in each] == [20]


def test_adwin_sees_it_too() -> None:
    watched = Series(SENSITIVITY)
    fired = [watched.update(3.0 if day >= 20 else 0.0) for day in range(40)]
    assert 20 <= next(day for day, each in enumerate(fired) if "adwin" in each) <= 24


def fired_on(hits: list[int]) -> dict[int, tuple[str, ...]]:
    rate = Rate(SENSITIVITY, noise=2.0, base_days=7)
    seen = [rate.update(each, 1000)[1] for each in hits]
    return {day: fired for day, fired in enumerate(seen) if fired}


def test_a_rate_learns_its_level_first_and_tells_a_rise_until_it_is_back() -> None:
    rate = Rate(SENSITIVITY, noise=2.0, base_days=7)
    assert [rate.update(10, 1000) for _ in range(7)] == [(None, ())] * 7
    assert rate.update(10, 1000) == (0.0, ())
    risen = fired_on([10] * 10 + [60] * 5 + [10] * 5)
    assert LEVEL not in risen[10]
    assert {day: each for day, each in risen.items() if day != 10} == dict.fromkeys(range(11, 15), (LEVEL,))


def test_a_rate_that_stays_away_has_a_new_level() -> None:
    risen = fired_on([10] * 10 + [60] * 60)
    assert max(risen) == 10 + PATIENCE_DAYS - 1


def test_a_fall_is_told_once_and_a_rise_from_there_again() -> None:
    fallen = fired_on([100] * 10 + [10] * 20 + [100] * 2)
    assert [day for day, each in fallen.items() if each != (LEVEL,)] == [10, 30]


def test_a_day_without_payments_says_nothing_of_a_rate() -> None:
    assert Rate(SENSITIVITY, 2.0, 7).update(0, 0) == (None, ())
