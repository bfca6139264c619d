"""Candidates: honest ones of each family, and bad ones, each with what must stop it.

A bad one is planted where such a mistake would be made: in how a family is fitted, or in the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import treelite.sklearn
from sklearn.ensemble import RandomForestClassifier

from services.training.assess import attributes
from services.training.examples import Examples
from services.training.fit import Features, Fitted, Labels, boosted, logistic, online
from services.training.recipe import Family, Recipe
from shared.features import definitions
from shared.models import Blend, Linear, River, Trees
from shared.models.bins import Bins
from shared.settings import Settings

STARVED_BELOW = 50.0  # units of the base currency
SHARPENED = 3.0
TINY = 1e-280  # a deviation by which usual values stay finite and extreme ones do not
STUMPS = 3200
FINE_BINS = 1_500_000

Change = Callable[[Examples, Settings], Examples]


@dataclass(frozen=True)
class Candidate:
    """A candidate as a recipe and a change of the examples; ``stopped_by`` names the gate that must fail."""

    name: str
    recipe: Recipe
    stopped_by: str | None = None
    change: Change | None = None


def flipped(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return boosted trees that take genuine payments for frauds."""
    return boosted(features, ~is_fraud, seed)


def starved(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return boosted trees that saw no fraud of a small amount."""
    amounts = features[:, definitions().names.index("amount")]
    is_kept = ~(is_fraud & (amounts < STARVED_BELOW))
    return boosted(features[is_kept], is_fraud[is_kept], seed)


def overconfident(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return a logistic regression whose scores are too near to 0 and 1."""
    usual = _regression(features, is_fraud, seed)
    return Fitted("linear", replace(usual, weights=usual.weights * SHARPENED, bias=usual.bias * SHARPENED))


def infinite(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return a logistic regression that gives no number for extremes."""
    usual = _regression(features, is_fraud, seed)
    changed = replace(usual, deviations=usual.deviations * TINY, weights=usual.weights * TINY)
    return Fitted("linear", changed)


def slow(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return a blend of so many parts that one payment takes long."""
    stump = RandomForestClassifier(1, max_depth=3, random_state=seed).fit(features, is_fraud)
    return Fitted("blend", Blend([Trees(treelite.sklearn.import_model(stump))] * STUMPS))


def huge(features: Features, is_fraud: Labels, seed: int) -> Fitted:
    """Return the online pipeline with far too fine bins of amounts."""
    model = online(features, is_fraud, seed).predictor
    assert isinstance(model, River)
    edges = {name: each.tolist() for name, each in definitions().bins.items()}
    model.model.steps["Bins"] = Bins(edges | {"amount": np.linspace(0, 1e4, FINE_BINS).tolist()})
    return Fitted("river", model)


PLANTED: Mapping[Family, Callable[[Features, Labels, int], Fitted]] = {
    cast(Family, fit.__name__): fit for fit in (flipped, starved, overconfident, infinite, slow, huge)
}
"""Families that are none, by name."""


def leaked(examples: Examples, settings: Settings) -> Examples:
    """Return examples in which a terminal's risk counts the label of the payment itself."""
    return _with(examples, "terminal_risk_1d", examples.is_fraud.astype(np.float32))


def identified(examples: Examples, settings: Settings) -> Examples:
    """Return examples in which one feature is the number of the customer."""
    return _with(examples, "customer_count_30d", examples.rows["customer_id"].rank("dense").to_numpy())


def gendered(examples: Examples, settings: Settings) -> Examples:
    """Return examples in which one feature is the customer's gender."""
    known = attributes(settings).select("customer_id", "gender")
    genders = examples.rows.select("customer_id").join(known, "customer_id", "left", maintain_order="left")
    return _with(examples, "is_night", genders["gender"].rank("dense").fill_null(0).to_numpy())


HONEST = (
    Candidate("boosted", Recipe()),
    Candidate("forest", Recipe("forest", sample=0.1)),
    Candidate("logistic", Recipe("logistic", sample=0.2)),
    Candidate("river", Recipe("river", sample=1.0)),
    Candidate("blend", Recipe("blend")),
)
BAD = (
    Candidate("label-leak", Recipe(), "plausibility", leaked),
    *(
        Candidate(name, Recipe(cast(Family, name)), gate)
        for name, gate in (
            ("flipped", "performance"),
            ("starved", "subpopulations"),
            ("overconfident", "calibration"),
            ("infinite", "what-if"),
            ("slow", "cost"),
            ("huge", "cost"),
        )
    ),
    Candidate("identifier", Recipe(), "privacy", identified),
    Candidate("protected-attribute", Recipe(), "privacy", gendered),
)
OTHER_SCHEMA = Candidate("other-schema", Recipe(), "package")
"""Made for features of another version."""


def _with(examples: Examples, name: str, values: Features) -> Examples:
    features = examples.features.copy()
    features[:, definitions().names.index(name)] = values
    return Examples(examples.rows, features)


def _regression(features: Features, is_fraud: Labels, seed: int) -> Linear:
    found = logistic(features, is_fraud, seed).predictor
    assert isinstance(found, Linear)
    return found
