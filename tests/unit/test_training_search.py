"""The search for a recipe keeps to its budget and does not change for noise."""

from __future__ import annotations

from collections.abc import Iterator

from services.training.recipe import ALTERNATIVES, USUAL, Recipe
from services.training.search import Trial, best, searched
from tests.unit.training_examples import made

EXAMPLES = made(days=50)


def ticking(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


def trials(budget: float, seconds: float) -> list[Trial]:
    told: list[Trial] = []
    clock = ticking(seconds)
    searched(EXAMPLES, budget, lambda: next(clock), told.append, [Recipe("logistic")] * 3)
    return told


def test_without_a_budget_the_default_is_taken_untried() -> None:
    told: list[Trial] = []
    assert searched(EXAMPLES, 0, lambda: 0.0, told.append) == USUAL
    assert told == []


def test_no_trial_begins_that_would_not_end_in_time() -> None:
    assert [each.recipe.family for each in trials(budget=100, seconds=1)] == ["boosted", *["logistic"] * 3]
    assert len(trials(budget=5, seconds=1)) == 2
    assert len(trials(budget=1.5, seconds=1)) == 1


def test_a_recipe_that_cannot_be_tried_is_passed_over() -> None:
    told: list[Trial] = []
    found = searched(EXAMPLES, 1e9, lambda: 0.0, told.append, [Recipe("logistic", sample=1e-9)])
    assert found == USUAL
    assert [each.average_precision is None for each in told] == [False, True]


def test_another_recipe_must_be_better_by_more_than_noise() -> None:
    def of(*found: float | None) -> str:
        recipes = [USUAL, *ALTERNATIVES]
        pairs = zip(recipes, found, strict=False)
        return best([Trial(recipe, value, 1.0) for recipe, value in pairs]).family

    assert of(0.7, 0.71) == "blend"
    assert of(0.7, 0.704) == "boosted"
    assert of(0.7, 0.69) == "boosted"
    assert of(None, 0.3) == "blend"
    assert of(None, None) == "boosted"
