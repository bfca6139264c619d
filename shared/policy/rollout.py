"""Bounds of the roll-out and guard rails, from schemas/policy.toml."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.policy.gates import Count, Performance, Positive, Share
from shared.policy.policy import Table


class Stay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a version stays at a status, in days of event time."""

    least_days: Annotated[float, Meta(ge=0)]
    most_days: Positive
    """From then on the estimate decides, however wide its interval."""


class RolloutPolicy(Table, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a published version becomes champion, and how it is taken back."""

    table = "rollout"

    evidence_days: Count
    """Newest matured days that are compared."""
    canary_share: Share
    """Share of customers whose payments the canary decides; 0 leaves the canary out."""
    least_payments: Count
    """Payments that a version scores beside the champion before it acts."""
    most_us_a_payment: Positive
    most_flagged_ratio: Annotated[float, Meta(gt=1)]
    """Payments flagged over those flagged by the other on the same payments, or the other way round."""
    shadow: Stay
    canary: Stay
    probation: Stay
    comparison: Performance


class GuardsPolicy(Table, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Guard rails against what no single payment or label shows."""

    table = "guards"

    declines_per_hour: Count
    """Payments of an hour of event time that are declined; further ones are reviewed."""
    labels_per_terminal_day: Count
    """Explicit labels of one day onto one terminal."""
    flood_least: Count
    """Explicit labels of one day from one origin that are no flood whatever is usual."""
    flood_ratio: Annotated[float, Meta(gt=1)]
    """Times an origin's median day above which a day is a flood."""
