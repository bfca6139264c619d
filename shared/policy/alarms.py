"""How many alarms of the monitor are allowed, from schemas/policy.toml."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shared.policy.gates import Count
from shared.policy.policy import Table

Family = Literal["input-drift", "score-drift", "missed-frauds", "performance-drift"]


class Budget(NamedTuple):
    """So many alarms of one family in a window; beyond it, days with a cause after which it is one still."""

    most: int
    window_days: int
    lasting_days: int


class AlarmsPolicy(Table, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The false-alarm budget, in days of event time.

    Examples
    --------
    >>> policy = AlarmsPolicy(window_days=60, lasting_days=3, most={"input-drift": 2})
    >>> policy.budget("input-drift").most, policy.budget("missing-values")
    (2, None)
    """

    table = "alarms"

    window_days: Count
    lasting_days: Count
    most: dict[Family, Count]
    """By family; one that is not named has no budget."""

    def budget(self, family: str) -> Budget | None:
        """Return the budget of a family; None where its alarms are not counted."""
        for name, most in self.most.items():
            if name == family:
                return Budget(most, self.window_days, self.lasting_days)
        return None
