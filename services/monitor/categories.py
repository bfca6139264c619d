"""Categories of payments, such as currencies and countries, that were not there in the days before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.monitor.findings import SHOWN, Finding
from services.monitor.inputs import LEAST_ROWS
from services.monitor.limits import Limits
from services.monitor.rates import Rate
from services.monitor.summaries import Totals
from shared.sketches import CATEGORICAL, bounded, category, parted

BASE_DAYS = 7
"""What comes in so many first days is known; what comes later is new for as many days."""
MEMORY_DAYS = 28
"""A category that did not come for longer is new again."""


@dataclass(slots=True)
class CategoryWatch:
    """Watches the share of payments whose category is new, by field; what it knows is bounded.

    Values that are not told apart, since they are too long or too many, are watched by their share.
    """

    limits: Limits
    _begin: int | None = None
    """The first day with categories."""
    _since: dict[str, int] = field(default_factory=dict)
    """Day on which a category came first."""
    _last: dict[str, int] = field(default_factory=dict)
    _others: dict[str, Rate] = field(init=False)

    def __post_init__(self) -> None:
        """Start to learn what is usual."""
        limits = self.limits
        self._others = {name: Rate(limits.scores, limits.scores_noise, BASE_DAYS) for name in CATEGORICAL}

    def findings(self, day: int, totals: Totals) -> list[Finding]:
        """Return what is to be said of a day's categories; nothing of a day with few payments."""
        payments = int(totals.sums.get("payment", 0))
        names = [name for name in totals.sums if parted(name)]
        if payments < LEAST_ROWS or (self._begin is None and not names):
            return []
        self._begin = day if self._begin is None else self._begin
        fresh: dict[str, Counter[str]] = {name: Counter() for name in CATEGORICAL}
        others: Counter[str] = Counter()
        for name in names:
            of, value = parted(bounded(name, self._since)) or ("", "")
            if not value:
                others[of] += int(totals.sums[name])
            elif self._is_new(name, day):
                fresh[of][value] = int(totals.sums[name])
        self._forget(day)
        found = [self._told(name, fresh[name], payments) for name in CATEGORICAL]
        for name, rate in self._others.items():
            found += rate.findings(f"other-categories.{name}", others[name], payments)
        return found

    def _is_new(self, name: str, day: int) -> bool:
        begin = day if self._begin is None else self._begin
        since = self._since.setdefault(name, day if day >= begin + BASE_DAYS else begin - BASE_DAYS)
        self._last[name] = day
        return day < since + BASE_DAYS

    def _forget(self, day: int) -> None:
        self._last = {name: last for name, last in self._last.items() if last >= day - MEMORY_DAYS}
        self._since = {name: self._since[name] for name in self._last}

    def _told(self, name: str, fresh: Mapping[str, int], payments: int) -> Finding:
        share = sum(fresh.values()) / payments
        limit = self.limits.new_floor + self.limits.new_payments / payments
        most = sorted(fresh.items(), key=lambda each: (-each[1], each[0]))[:SHOWN]
        detail = ", ".join(f"{category(name, value)} {number}" for value, number in most)
        return Finding(f"new-categories.{name}", share, limit, detail, is_cause=share > limit)
