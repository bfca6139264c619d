"""The Fraud Detection Handbook's protocol on features as served: its split, models, metrics; our bounds.

Train 2018-07-25..31, wait seven days for labels, test 2018-08-08..14 without the customers known to be
compromised (Le Borgne et al., 2022, chapters 3.4 and 4.4). Published there: random forest .867 / .658 / .287,
logistic regression .871 / .606 / .291 (AUC ROC / average precision / card precision at 100).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from services.training.examples import Examples
from services.training.metrics import metrics
from services.training.recipe import Family, Recipe
from services.training.split import DAY, Split, parts
from services.training.train import trained

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEEDS = 5
DELAY_DAYS = TEST_DAYS = 7
HANDBOOK_DAYS = 7
EVERY_GENUINE = 1.0
METRICS = {"auc_roc": "auc", "average_precision": "ap", "card_precision_100": "cp100"}

Bounds = Mapping[str, float]


@dataclass(frozen=True)
class Contender:
    """A recipe on some of the features, with the least that it must reach in each mode."""

    name: str
    recipe: Recipe
    is_handbook: bool
    late: Bounds
    early: Bounds

    def bounds(self, is_early: bool) -> Bounds:
        """Return the bounds of a mode; none where the contender has no part in it."""
        return self.early if is_early else self.late


def _handbook(name: str, family: Family, **late: float) -> Contender:
    return Contender(name, Recipe(family, HANDBOOK_DAYS, sample=EVERY_GENUINE), True, late, {})


CONTENDERS = (
    _handbook("forest", "forest", auc=0.860, ap=0.650, cp100=0.283),
    _handbook("logistic", "logistic", auc=0.868, ap=0.600, cp100=0.285),
    Contender(
        "default",
        Recipe(),
        is_handbook=False,
        late={"auc": 0.885, "ap": 0.740, "cp100": 0.298},
        early={"ap": 0.83, "cp100": 0.335},
    ),
)
LEAK_AP = 0.80
"""An oracle that knows the fraud scenarios but no label early reaches .786 on the test week."""


def windows(days: int) -> Split:
    """Return the Handbook's windows, with so many days of training."""
    test_start = _day(2018, 8, 8)
    train_end = test_start - DELAY_DAYS * DAY
    return Split(train_end - days * DAY, train_end, test_start, test_start + TEST_DAYS * DAY)


def test_week(examples: Examples) -> Examples:
    """Return the Handbook's test rows: the same for every contender."""
    return parts(examples, windows(HANDBOOK_DAYS))[1]


def figures(contender: Contender, examples: Examples, is_handbook: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return the mean of each metric over the seeds."""
    columns = is_handbook if contender.is_handbook else np.ones_like(is_handbook)
    narrow = Examples(examples.rows, np.ascontiguousarray(examples.features[:, columns]))
    found = windows(contender.recipe.days)
    train, test = narrow.within(found.train_start, found.train_end), test_week(narrow)
    runs = [_run(contender.recipe, seed, train, test) for seed in range(SEEDS)]
    return {short: statistics.mean(run[name] for run in runs) for name, short in METRICS.items()}


def missed(name: str, found: Mapping[str, float], bounds: Bounds) -> Iterable[str]:
    """Yield one sentence for each bound that is not reached."""
    for metric, least in bounds.items():
        if not found[metric] >= least:
            yield f"{name} {metric} {found[metric]:.4f} is below {least}"


def leaks(name: str, found: Mapping[str, float]) -> Iterable[str]:
    """Yield a sentence where labels seven days late could not have given such a precision."""
    if found["ap"] > LEAK_AP:
        yield f"{name} ap {found['ap']:.4f} is above {LEAK_AP}: a label leaked"


def _run(recipe: Recipe, seed: int, train: Examples, test: Examples) -> dict[str, float]:
    seeded = Recipe(recipe.family, recipe.days, recipe.delay_days, recipe.test_days, recipe.sample, seed)
    found = metrics(test.rows, trained(train, seeded).predict(test.features))
    return {name: float("nan") if value is None else value for name, value in found.items()}


def _day(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - EPOCH).days * DAY
