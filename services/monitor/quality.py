"""Quality of what comes in: bad records and repeats by reason, and values that are missing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from services.monitor.findings import Finding
from services.monitor.inputs import LEAST_ROWS, Histograms
from services.monitor.limits import Limits
from services.monitor.rates import Rate
from services.monitor.summaries import Totals
from shared.sketches import parted

READABLE = ("payment", "label", "repeat")
GOOD = (*READABLE, "unknown_field")
"""Results of ingest that are no dead letters; all others are reasons."""
BASE_DAYS = 7
OVERFULL = 2.0
"""Times the fullest day: an open day with so many records is judged before its end."""
MISSING_MARGIN = 0.1
"""So much above its share in training a feature may be undefined."""


@dataclass(slots=True)
class QualityWatch:
    """Watches the shares of dead letters and of repeats among raw records."""

    limits: Limits
    _rates: dict[str, Rate] = field(init=False)
    _days: int = 0
    _fullest: int = 0

    def __post_init__(self) -> None:
        """Start to learn the levels."""
        limits = self.limits
        names = ("dead-letters", "repeats")
        self._rates = {name: Rate(limits.scores, limits.scores_noise, BASE_DAYS) for name in names}

    def is_overfull(self, count: int) -> bool:
        """Return whether so many records are too many for a day; False while the levels are learnt."""
        return self._days > BASE_DAYS and count >= OVERFULL * self._fullest

    def findings(self, day: Totals) -> list[Finding]:
        """Return what is to be said of a day's raw records."""
        if day.count == 0:
            return []
        if self.is_overfull(day.count):  # a stream that grew tells so by what could be read
            count = sum(day.sums.get(name, 0.0) for name in READABLE)
        else:
            self._days, count = self._days + 1, day.count
        self._fullest = max(self._fullest, int(count))
        bad = {name: number for name, number in day.sums.items() if name not in GOOD and not parted(name)}
        hits = {"dead-letters": sum(bad.values()), "repeats": day.sums.get("repeat", 0.0)}
        found = [
            Finding(f"dead-letters.{reason}", number / day.count) for reason, number in sorted(bad.items())
        ]
        for name, rate in self._rates.items():
            found += rate.findings(name, hits[name], day.count)
        return found


def missing(day: Totals, trained: Histograms | None, watched: Collection[str]) -> list[Finding]:
    """Return the shares of undefined values of features, held against those of training."""
    if trained is None or day.count < LEAST_ROWS:
        return []
    found = []
    for name in watched:
        share, counts = day.undefined_share(name) if name in day.histograms else None, trained.get(name)
        if share is not None and counts is not None and counts.sum():
            limit = float(counts[-1] / counts.sum()) + MISSING_MARGIN
            found.append(Finding(f"missing.{name}", share, limit, is_cause=share > limit))
    return found
