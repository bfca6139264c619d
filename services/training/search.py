"""A search for the recipe, within a time budget: each is tried in time order, the label delay waited for."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.training.examples import Examples
from services.training.failure import TrainingError
from services.training.metrics import average_precision
from services.training.recipe import ALTERNATIVES, FOLDS, USUAL, Recipe
from services.training.split import DAY, matured_until, parts, split
from services.training.train import trained

LEAST_GAIN = 0.005
"""Of average precision over the default recipe: below it is noise of two weeks, and change has its price."""

Step = Callable[["Trial"], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """A recipe with its mean average precision over the folds; None where it could not be tried."""

    recipe: Recipe
    average_precision: float | None
    seconds: float


def searched(
    examples: Examples,
    budget: float,
    clock: Callable[[], float],
    on_trial: Step,
    alternatives: Iterable[Recipe] = ALTERNATIVES,
) -> Recipe:
    """Return the best recipe that could be tried in ``budget`` seconds; the default without a budget.

    Another than the default must gain `LEAST_GAIN`. A trial begins only where the longest one so far
    would still end in time.
    """
    began = clock()
    if budget <= 0:
        return USUAL
    trials = [_trial(examples, USUAL, clock)]
    on_trial(trials[0])
    for recipe in alternatives:
        longest = max(each.seconds for each in trials)
        if clock() - began + longest > budget:
            break
        trials.append(_trial(examples, recipe, clock))
        on_trial(trials[-1])
    return best(trials)


def best(trials: list[Trial]) -> Recipe:
    """Return the recipe to take; the first trial is the default.

    Examples
    --------
    >>> other = Recipe("forest")
    >>> best([Trial(Recipe(), 0.75, 1.0), Trial(other, 0.754, 1.0)]).family
    'boosted'
    >>> best([Trial(Recipe(), 0.75, 1.0), Trial(other, 0.756, 1.0)]).family
    'forest'
    """
    usual = trials[0]
    tried = [each for each in trials if each.average_precision is not None]
    winner = max(tried, key=lambda each: each.average_precision or 0.0, default=usual)
    gain = (winner.average_precision or 0.0) - (usual.average_precision or 0.0)
    return winner.recipe if gain >= LEAST_GAIN else usual.recipe


def _trial(examples: Examples, recipe: Recipe, clock: Callable[[], float]) -> Trial:
    began = clock()
    try:
        found: float | None = statistics.mean(_fold(examples, recipe, number) for number in range(FOLDS))
    except TrainingError:
        found = None
    return Trial(recipe, found, clock() - began)


def _fold(examples: Examples, recipe: Recipe, number: int) -> float:
    end = matured_until(examples) - number * recipe.test_days * DAY
    windows = split(end, recipe.days, recipe.delay_days, recipe.test_days)
    train, test = parts(examples, windows)
    found = average_precision(test.is_fraud, trained(train, recipe).predict(test.features))
    if found is None:
        raise TrainingError("there is no fraud in the days of a test")
    return found
