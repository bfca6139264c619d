"""When something is an alarm, when it is only a warning, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shared.policy import Budget

Change = Literal["raised", "lowered", "lasting", "cleared"]


@dataclass(slots=True)
class Alarm:
    """One alarm with hysteresis and a budget: raised once, cleared after calm days, silent between.

    One beyond the budget is lowered to a warning, and raised where its cause lasts: a true change is told
    of however many false alarms came before it.

    Parameters
    ----------
    calm_days
        So many days in a row without cause clear it.

    Examples
    --------
    >>> alarm = Alarm(calm_days=2)
    >>> causes = (False, True, True, False, True, False, False, True)
    >>> [alarm.step(cause, day) for day, cause in enumerate(causes)]
    [None, 'raised', None, None, None, None, 'cleared', 'raised']
    >>> alarm, budget = Alarm(calm_days=1), Budget(most=1, window_days=60, lasting_days=2)
    >>> causes = (True, False, True, False, True, True, True)
    >>> [alarm.step(cause, day, budget) for day, cause in enumerate(causes)]
    ['raised', 'cleared', 'lowered', 'cleared', 'lowered', 'lasting', None]
    """

    calm_days: int
    is_lowered: bool = False
    _is_on: bool = False
    _calm: int = 0
    _causes: int = 0
    """Days with a cause since it was raised or lowered."""
    _raised: list[int] = field(default_factory=list)
    """Days on which it was raised, as far back as the budget looks."""

    @property
    def is_raised(self) -> bool:
        """Whether it is raised now; a lowered one is not."""
        return self._is_on and not self.is_lowered

    def step(self, has_cause: bool, day: int, budget: Budget | None = None) -> Change | None:
        """Take a day of event time; return what changes.

        Returns
        -------
        str or None
            "raised" or "cleared"; "lowered" where it would be raised and the budget is spent; "lasting"
            where a lowered one is raised since its cause lasts.
        """
        if not has_cause:
            return self._rest()
        self._calm = 0
        was_on, self._is_on = self._is_on, True
        self._causes = self._causes + 1 if was_on else 1
        if not was_on and budget is not None and self.spent(day, budget) >= budget.most:
            self.is_lowered = True
            return "lowered"
        is_lasting = self.is_lowered and (budget is None or self._causes >= budget.lasting_days)
        if was_on and not is_lasting:
            return None
        self.is_lowered = False
        self._raised.append(day)
        return "lasting" if was_on else "raised"

    def spent(self, day: int, budget: Budget) -> int:
        """Return how many alarms were raised in the window that ends with a day."""
        self._raised = [each for each in self._raised if each > day - budget.window_days]
        return len(self._raised)

    def _rest(self) -> Change | None:
        self._calm += 1
        if not self._is_on or self._calm < self.calm_days:
            return None
        self._is_on = self.is_lowered = False
        return "cleared"
