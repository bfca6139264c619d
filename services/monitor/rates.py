"""Daily shares, such as alerts among payments, watched against the level of their first days."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.monitor.findings import Finding
from services.monitor.series import Sensitivity, Series

LEVEL = "level"
BACK = 1.0
"""Units of noise: a rate that rose and is nearer than this to its level is back."""
PATIENCE_DAYS = 28
"""A rate that stays away for longer has a new level."""


@dataclass(slots=True)
class Rate:
    """A share whose level is learnt from its first days.

    After a rise the level stays, and each day away from it is told, so that what is bad is not taken for
    usual; after a fall it is learnt anew, so that what is better is kept.

    Parameters
    ----------
    sensitivity
        Of the detectors, in units of ``noise``.
    noise
        How many times the root of its expected number a day's number spreads: payments come in clusters
        by customer and terminal, so they spread more than independent ones would.
    base_days
        Days from which the level is learnt: whole weeks, one of each weekday.
    """

    sensitivity: Sensitivity
    noise: float
    base_days: int
    _hits: float = 0.0
    _rows: int = 0
    _days: int = 0
    _away: int = 0
    """Days since a rise; 0 while it is about its level."""
    _series: Series = field(init=False)

    def __post_init__(self) -> None:
        """Start to learn the level."""
        self._restart()

    def update(self, hits: float, rows: int) -> tuple[float | None, tuple[str, ...]]:
        """Take a day's number of hits among rows.

        Returns
        -------
        tuple
            How far it is from the level in units of noise, None while that is learnt, and the names of
            the detectors that saw a change; "level" while a rise that they saw goes on.
        """
        if rows == 0:
            return None, ()
        if self._days < self.base_days:
            self._hits, self._rows, self._days = self._hits + hits, self._rows + rows, self._days + 1
            return None, ()
        expected = max(self._hits / self._rows * rows, 1.0)
        value = float((hits - expected) / (self.noise * np.sqrt(expected)))
        return value, self._rest(value) if self._away else self._change(value)

    def findings(self, name: str, hits: float, rows: int, is_mature: bool | None = None) -> list[Finding]:
        """Take a day's number of hits among rows, above 0; return the share, and each rise as a cause."""
        excess, fired = self.update(hits, rows)
        detail = "" if excess is None else f"{excess:+.1f} times the noise from its level"
        share = hits / rows
        rises = fired if excess is not None and excess > 0 else ()
        return [
            Finding(name, share, detail=detail, is_mature=is_mature),
            *(Finding(f"{name}.{each}", share, None, detail, True, is_mature) for each in rises),
        ]

    def _change(self, value: float) -> tuple[str, ...]:
        fired = self._series.update(value)
        if fired and value > 0:
            self._away = 1
        elif fired:
            self._restart()
        return fired

    def _rest(self, value: float) -> tuple[str, ...]:
        self._away += 1
        if value < BACK:
            self._away, self._series = 0, Series(self.sensitivity)
        elif self._away > PATIENCE_DAYS:
            self._restart()
        return (LEVEL,) if self._away else ()

    def _restart(self) -> None:
        self._hits, self._rows, self._days, self._away = 0.0, 0, 0, 0
        self._series = Series(self.sensitivity)
