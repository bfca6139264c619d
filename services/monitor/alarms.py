"""When something is an alarm, and when it no longer is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Alarm:
    """One alarm with hysteresis: raised once, cleared after calm days, silent between.

    Parameters
    ----------
    calm_days
        So many days in a row without cause clear it.

    Examples
    --------
    >>> alarm = Alarm(calm_days=2)
    >>> [alarm.step(cause) for cause in (False, True, True, False, True, False, False, True)]
    [None, 'raised', None, None, None, None, 'cleared', 'raised']
    """

    calm_days: int
    is_raised: bool = False
    _calm: int = field(default=0)

    def step(self, has_cause: bool) -> str | None:
        """Take a day; return "raised" or "cleared" where that changes."""
        if has_cause:
            self._calm = 0
            was_raised, self.is_raised = self.is_raised, True
            return None if was_raised else "raised"
        self._calm += 1
        if self.is_raised and self._calm >= self.calm_days:
            self.is_raised = False
            return "cleared"
        return None
