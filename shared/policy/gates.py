"""Bounds of the gates that a model passes before it is published, from schemas/policy.toml."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.policy.policy import Table

Share = Annotated[float, Meta(ge=0, le=1)]
Chance = Annotated[float, Meta(gt=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Plausibility(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When results are too good to be true."""

    most_average_precision: Share
    most_feature_precision: Share
    """Average precision of one feature alone."""
    most_early_label_share: Share
    """Share of the training labels that were not known yet when the model could have been fitted."""


class Performance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The candidate against the champion, and against chance."""

    least_frauds: Count
    most_loss: Share
    """Average precision by which a candidate may be below the champion."""
    least_lift: Positive
    """Average precision over the share of frauds, which is what chance gives."""
    resamples: Count
    confidence: Chance


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Scores as probabilities."""

    least_frauds: Count
    most_ratio: Annotated[float, Meta(gt=1)]
    """Frauds expected by the scores over frauds seen, or the other way round."""
    least_slope: Positive
    most_slope: Positive
    confidence: Chance


class Subpopulations(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Groups of customers and payments against all others."""

    least_support: Count
    """Payments that a rate must rest upon: frauds for recall, flagged ones for precision, and so on."""
    confidence: Chance
    """Of all comparisons together."""
    most_difference: dict[str, dict[str, Positive]]
    """By attribute and metric; a calibration is a factor, the others are shares."""


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How scores answer to changed features."""

    rows: Count
    noise: Positive
    """Share of a value by which it is moved up or down."""
    most_decisions_changed: Share
    most_sensitivity_share: Share
    """Of all features' sensitivities together, that of one."""
    most_step_back: Share
    """Fall of a score along a feature that should only raise it, or the other way round."""
    monotone: dict[str, Literal[-1, 1]]


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model may cost."""

    most_us_a_row: Positive
    most_ms_single: Positive
    most_package_bytes: Count
    most_memory_bytes: Count


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be neither feature nor part of a package."""

    identifiers: list[str]
    protected: list[str]


class GatesPolicy(Table, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bounds of all gates."""

    table = "gates"

    plausibility: Plausibility
    performance: Performance
    calibration: Calibration
    subpopulations: Subpopulations
    what_if: WhatIf
    cost: Cost
    privacy: Privacy
