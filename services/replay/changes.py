"""Changes of behaviour in the course of a simulation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """From ``day`` on something is ``to`` in place of ``before``; over ``ramp_days`` where that is gradual.

    Examples
    --------
    >>> gradual = Change(day=10, to=3.0, ramp_days=4)
    >>> [gradual.factor(day) for day in (9, 10, 12, 14, 20)]
    [1.0, 1.0, 2.0, 3.0, 3.0]
    >>> Change(day=10, to=3.0).factor(10)
    3.0
    """

    day: int = 0
    to: float = 1.0
    ramp_days: int = 0
    before: float = 1.0

    def factor(self, day: int) -> float:
        """Return the factor of a day."""
        if day < self.day:
            return self.before
        if day >= self.day + self.ramp_days:
            return self.to
        return self.before + (self.to - self.before) * (day - self.day) / self.ramp_days
