"""Daily values watched for a change of their mean by the drift detectors of River."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from river import drift

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Thresholds of the two detectors, in units of a notable change of the value."""

    adwin_delta: float
    hinkley_slack: float
    hinkley_threshold: float


OBSERVATIONS_A_DAY = 20
"""ADWIN counts observations; a day is taken as so many equal ones, so that a change of a day can be seen."""
PRIMING_DAYS = 10
"""Days without change that the detectors are given first: the training days."""
ADWIN_RANGE = 8.0  # ADWIN takes values in [0, 1]: so many units, half of them on each side


@dataclass(slots=True)
class Series:
    """One value a day, 0 where nothing changed and 1 for a notable change up.

    A detector that has fired begins anew, at the level that it then sees.
    """

    sensitivity: Sensitivity
    _adwin: drift.ADWIN = field(init=False)
    _hinkley: drift.PageHinkley = field(init=False)

    def __post_init__(self) -> None:
        """Give the detectors their first days."""
        limits = self.sensitivity
        self._adwin = drift.ADWIN(  # type: ignore[no-untyped-call]
            delta=limits.adwin_delta, clock=1, min_window_length=5, grace_period=5
        )
        self._hinkley = drift.PageHinkley(
            min_instances=1, delta=limits.hinkley_slack, threshold=limits.hinkley_threshold, alpha=1.0
        )
        for _ in range(PRIMING_DAYS):
            self.update(0.0)

    def update(self, value: float) -> tuple[str, ...]:
        """Take a day's value; return the names of the detectors that saw a change."""
        scaled = min(max(0.5 + value / ADWIN_RANGE, 0.0), 1.0)
        has_changed = False
        for _ in range(OBSERVATIONS_A_DAY):
            self._adwin.update(scaled)  # type: ignore[no-untyped-call]
            has_changed |= self._adwin.drift_detected
        self._hinkley.update(value)  # type: ignore[no-untyped-call]
        fired = {"adwin": has_changed, "page-hinkley": self._hinkley.drift_detected}
        return tuple(name for name, is_fired in fired.items() if is_fired)


def shift(expected: Counts, observed: Counts) -> float | None:
    """Return how far the mean place among the bins moved, in standard deviations of the expected one.

    The last bin, that of the undefined, does not count. None where either has no defined value, or the
    expected ones are all in one bin.

    Examples
    --------
    >>> round(shift(np.array([50, 50, 0]), np.array([20, 80, 7])), 2)
    0.6
    """
    before, after = expected[:-1], observed[:-1]
    if before.sum() == 0 or after.sum() == 0:
        return None
    places = np.arange(len(before))
    mean = float((places * before).sum() / before.sum())
    spread = float(np.sqrt(((places - mean) ** 2 * before).sum() / before.sum()))
    return float((places * after).sum() / after.sum() - mean) / spread if spread > 0 else None
