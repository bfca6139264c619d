"""What scoring tells of versions: refusals, and of those beside the champion failures, time, flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from shared.models import Refusal

FAILED, BESIDE, REFUSED = "model-failed", "model-beside", "model-refused"
LASTING = (Refusal.UNSIGNED, Refusal.ALTERED)
"""Refusals that are the package's own fault, not that of one service's keys, store, libraries or features."""


class Beside(msgspec.Struct, frozen=True):
    """The detail of a `model-beside` signal: payments that a version scored beside the champion."""

    payments: int
    seconds: float
    flagged: int
    flagged_by_champion: int


class Signal(Protocol):
    """A signal of the monitoring topic."""

    @property
    def signal(self) -> str:
        """Name."""
        ...

    @property
    def model_version(self) -> str | None:
        """The version that it is about."""
        ...

    @property
    def detail(self) -> str:
        """What else it says."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """Sums of all that was told of a version."""

    failures: int = 0
    payments: int = 0
    seconds: float = 0.0
    flagged: int = 0
    flagged_by_champion: int = 0
    is_refused: bool = False
    """Whether scoring does not load its package."""

    @property
    def us_a_payment(self) -> float:
        """Microseconds that it takes for a payment; 0 before it scored any."""
        return 1e6 * self.seconds / self.payments if self.payments else 0.0

    @property
    def flagged_ratio(self) -> float:
        """Payments flagged by it for one flagged by the champion, a payment more on both sides."""
        return (self.flagged + 1) / (self.flagged_by_champion + 1)


@dataclass(frozen=True, slots=True)
class Healths:
    """Health by version, from the signals of the monitoring topic."""

    by_version: Mapping[str, Health] = field(default_factory=dict)

    @property
    def refused(self) -> frozenset[str]:
        """The versions whose packages scoring does not load."""
        return frozenset(version for version, health in self.by_version.items() if health.is_refused)

    def of(self, version: str) -> Health:
        """Return the health of a version."""
        return self.by_version.get(version, Health())

    def heard(self, signals: Iterable[Signal]) -> Healths:
        """Return the healths with more signals; others than scoring's are passed over."""
        found = dict(self.by_version)
        for each in signals:
            if each.model_version is not None and each.signal in (FAILED, BESIDE, REFUSED):
                before = found.get(each.model_version, Health())
                found[each.model_version] = _with(before, each)
        return Healths(found)


def _with(health: Health, signal: Signal) -> Health:
    if signal.signal == FAILED:
        return replace(health, failures=health.failures + 1)
    if signal.signal == REFUSED:
        return replace(health, is_refused=health.is_refused or signal.detail.split(":")[0] in LASTING)
    told = msgspec.json.decode(signal.detail, type=Beside)
    return replace(
        health,
        payments=health.payments + told.payments,
        seconds=health.seconds + told.seconds,
        flagged=health.flagged + told.flagged,
        flagged_by_champion=health.flagged_by_champion + told.flagged_by_champion,
    )
