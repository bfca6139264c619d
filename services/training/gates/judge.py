"""All gates in their order."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from services.training.gates import evidence
from services.training.gates.calibration import calibration
from services.training.gates.cost import cost
from services.training.gates.evidence import Learned, Refitted, Trial
from services.training.gates.package import package
from services.training.gates.performance import performance
from services.training.gates.plausibility import plausibility
from services.training.gates.privacy import privacy
from services.training.gates.reproducibility import reproducibility
from services.training.gates.subpopulations import subpopulations
from services.training.gates.verdict import Verdict
from services.training.gates.what_if import what_if
from shared.models import Model, ModelRefused
from shared.policy import GatesPolicy, Policy

GATES = (
    "package",
    "privacy",
    "plausibility",
    "performance",
    "calibration",
    "subpopulations",
    "reproducibility",
    "what-if",
    "cost",
)
"""Names in the order in which they judge."""


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate with all that its gates look at."""

    content: bytes
    """The signed package."""
    loaded: Model | ModelRefused
    """What the loader made of it."""
    names: list[str]
    """Names of the trial's features."""
    learned: Learned
    trial: Trial
    groups: pl.DataFrame
    """Groups of the trial's payments, see ``groups_of``."""
    cost: evidence.Cost | None
    """None where it could not be loaded."""
    refitted: Refitted | None
    seed: int = 0


def judge(case: Case, policy: Policy, bounds: GatesPolicy) -> list[Verdict]:
    """Return the verdicts of all gates; those that need a model are left out where none loads.

    The same case gives the same verdicts.
    """
    verdicts = [
        package(case.loaded),
        privacy(case.content, case.names, case.trial, case.groups, bounds.privacy),
        plausibility(case.learned, case.trial, case.names, bounds.plausibility),
        performance(case.trial, bounds.performance, case.seed),
        calibration(case.trial, bounds.calibration),
        subpopulations(case.trial, case.groups, policy, bounds.subpopulations),
        reproducibility(case.refitted),
    ]
    if isinstance(case.loaded, Model):
        verdicts.append(what_if(case.loaded, case.trial.examples.features, policy, bounds.what_if, case.seed))
    if case.cost is not None:
        verdicts.append(cost(case.cost, bounds.cost))
    return verdicts
