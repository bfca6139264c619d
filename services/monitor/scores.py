"""Drift of what the model says: mean score and share of alerts, day by day."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.monitor.findings import Finding
from services.monitor.limits import Limits
from services.monitor.rates import Rate
from services.monitor.summaries import Totals
from shared.policy import Decision

BASE_DAYS = 7


@dataclass(slots=True)
class ScoreWatch:
    """Watches the scores of one model; a new model has a level of its own."""

    limits: Limits
    _version: str | None = None
    _mean: Rate = field(init=False)
    _alerts: Rate = field(init=False)

    def __post_init__(self) -> None:
        """Start to learn the levels."""
        self._begin(None)

    def findings(self, day: Totals, version: str | None) -> list[Finding]:
        """Return what is to be said of the scores of a version on a day."""
        if version != self._version:
            self._begin(version)
        scores, decisions = day.defined("score"), day.defined("decision")
        rows, decided = int(scores.sum()), int(decisions.sum())  # the rest is decided by a canary
        alerts = float(decisions[Decision.REVIEW :].sum())
        if rows == 0:
            return []
        watched = (
            ("score-mean", self._mean, day.sums["score"], rows),
            ("alert-rate", self._alerts, alerts, decided),
        )
        found = []
        for name, rate, hits, of in watched:
            if of == 0:
                continue
            excess, fired = rate.update(hits, of)
            found.append(Finding(name, hits / of))
            detail = f"{excess:+.1f} times the noise from its level" if excess is not None else ""
            found += [Finding(f"{name}.{each}", hits / of, None, detail, is_cause=True) for each in fired]
        return found

    def _begin(self, version: str | None) -> None:
        self._version = version
        self._mean = Rate(self.limits.scores, self.limits.scores_noise, BASE_DAYS)
        self._alerts = Rate(self.limits.scores, self.limits.scores_noise, BASE_DAYS)
