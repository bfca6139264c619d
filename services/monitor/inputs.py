"""Drift of the features, told without labels: each day against the training of the model that acts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from services.monitor.distances import (
    Counts,
    chance_distance,
    chance_stability,
    kolmogorov_smirnov,
    population_stability,
)
from services.monitor.findings import Finding
from services.monitor.limits import Limits
from services.monitor.series import Series, shift
from services.monitor.summaries import Totals

LEAST_ROWS = 100  # of a day: fewer say nothing of a distribution

Histograms = Mapping[str, Counts]


@dataclass(slots=True)
class InputWatch:
    """Compares features with those that the acting model was trained on.

    Parameters
    ----------
    features
        All features that are told of.
    watched
        Those of them that can be a cause: a feature that the calendar makes, or that labels make, moves
        without any change of behaviour. Fraud itself is watched by the errors.
    """

    features: Collection[str]
    watched: Collection[str]
    limits: Limits
    _version: str | None = None
    _series: dict[str, Series] = field(default_factory=dict)

    def findings(self, day: Totals, version: str | None, trained: Histograms | None) -> list[Finding]:
        """Return what is to be said of a day's features; nothing without training histograms."""
        if trained is None or day.count < LEAST_ROWS:
            return []
        if version != self._version:
            self._version = version
            self._series = {}
        found = []
        for name in self.features:
            expected, observed = trained.get(name), day.histograms.get(name)
            if expected is not None and observed is not None and expected.shape == observed.shape:
                found += self._distances(name, expected, observed)
                found += self._means(name, expected, observed) if name in self.watched else []
        return found

    def _distances(self, name: str, expected: Counts, observed: Counts) -> list[Finding]:
        limits = self.limits
        psi, ks = population_stability(expected, observed), kolmogorov_smirnov(expected, observed)
        most_psi = limits.psi_floor + limits.psi_chance * chance_stability(expected, observed)
        most_ks = limits.ks_floor + limits.ks_chance * chance_distance(expected, observed)
        if name not in self.watched:
            return [Finding(f"psi.{name}", psi), Finding(f"ks.{name}", ks)]
        return [
            Finding(f"psi.{name}", psi, most_psi, is_cause=psi > most_psi),
            Finding(f"ks.{name}", ks, most_ks, is_cause=ks > most_ks),
        ]

    def _means(self, name: str, expected: Counts, observed: Counts) -> list[Finding]:
        moved = shift(expected, observed)
        if moved is None:
            return []
        if name not in self._series:
            self._series[name] = Series(self.limits.inputs)
        fired = self._series[name].update(moved / self.limits.notable_shift)
        detail = f"moved by {moved:+.2f} standard deviations of training"
        return [Finding(f"mean.{name}.{each}", moved, None, detail, is_cause=True) for each in fired]
