"""Bounds of the roll-out and guard rails, from schemas/policy.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.policy.gates import Count, Performance, Positive, Share
from shared.policy.policy import bounds


class Stay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a version stays at a status, in days of event time."""

    least_days: Annotated[float, Meta(ge=0)]
    most_days: Positive
    """From then on the estimate decides, however wide its interval."""


class RolloutPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a published version becomes champion, and how it is taken back."""

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

    @classmethod
    def load(cls, content: Mapping[str, Any] | None = None) -> RolloutPolicy:
        """Return the table ``rollout`` of schemas/policy.toml, or of ``content`` in its place.

        Raises
        ------
        PolicyError
            If a name is missing or unknown, or a bound cannot be.
        """
        return bounds("rollout", cls, content)


class GuardsPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Guard rails against what no single payment or label shows."""

    declines_per_hour: Count
    """Payments of an hour of event time that are declined; further ones are reviewed."""
    labels_per_terminal_day: Count
    """Explicit labels of one day onto one terminal."""
    flood_least: Count
    """Explicit labels of one day from one origin that are no flood whatever is usual."""
    flood_ratio: Annotated[float, Meta(gt=1)]
    """Times an origin's median day above which a day is a flood."""

    @classmethod
    def load(cls, content: Mapping[str, Any] | None = None) -> GuardsPolicy:
        """Return the table ``guards`` of schemas/policy.toml, or of ``content`` in its place.

        Raises
        ------
        PolicyError
            If a name is missing or unknown, or a bound cannot be.
        """
        return bounds("guards", cls, content)
