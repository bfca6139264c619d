"""How a model is made from examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Family = Literal["boosted", "forest", "logistic", "blend", "river"]
FAMILIES: tuple[Family, ...] = get_args(Family)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A family of models, the days it learns from and is tried on, and the sample of them."""

    family: Family = "boosted"
    days: int = 28
    delay_days: int = 7
    test_days: int = 7
    sample: float = 0.07
    """Share of the genuine payments that is kept; frauds are all kept.

    Of 1, .2, .1, .07, .05, .03, .02 the one of the highest average precision over five weeks.
    """
    seed: int = 0


USUAL = Recipe(days=56)
"""What a refit takes: of 28, 42 and 56 days the longest ranks best, whether labels come early or late."""
FILLING_DAYS = 30
"""From the first known label until nearly all windows are full: payments before look unlike those after."""
ALTERNATIVES = (
    Recipe("blend"),
    Recipe(days=28),
    Recipe(days=56, sample=0.15),
    Recipe("forest", days=56, sample=0.1),
    Recipe(days=14),
    Recipe("blend", days=56),
    Recipe("logistic", days=56, sample=0.2),
    Recipe("river", days=56, sample=1.0),
)
"""In the order in which they are tried: the likeliest first."""
FOLDS = 2  # the newest week whose labels are known, and the one before it
WAITED_DAYS = 10
"""The horizon, twice the label lag, and what midnight cuts off: so long ago the newest test ends."""
READ_DAYS = WAITED_DAYS + max(
    each.days + each.delay_days + FOLDS * each.test_days for each in (USUAL, *ALTERNATIVES)
)
"""Days that a refit looks at: as far back as the oldest fold of the longest recipe begins."""


def settled(recipe: Recipe, age_days: float) -> Recipe:
    """Return the recipe for a stream of an age: it learns from no day on which windows were filling.

    Unless fewer than the least days would be left, those of `Recipe` itself.

    Examples
    --------
    >>> [settled(Recipe(days=56), age).days for age in (40, 70.5, 200)], settled(Recipe(days=14), 40).days
    ([28, 40, 56], 14)
    """
    return replace(recipe, days=min(recipe.days, max(Recipe().days, int(age_days) - FILLING_DAYS)))
