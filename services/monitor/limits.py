"""When a measurement is a cause for alarm."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.monitor.series import Sensitivity


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds, chosen by the false alarms that they give on stationary simulated streams.

    A distance of a day's histogram from training is a cause above ``floor + chance`` x what independent
    draws would give: the floor is what matters, the chance part keeps small days quiet.
    """

    psi_floor: float = 0.12
    psi_chance: float = 4.0
    ks_floor: float = 0.12
    ks_chance: float = 2.0
    notable_shift: float = 0.5
    """A move of a feature's mean that counts as one unit, in standard deviations of training."""
    inputs: Sensitivity = field(default_factory=lambda: Sensitivity(1e-6, 0.5, 2.0))
    scores_noise: float = 3.0
    scores: Sensitivity = field(default_factory=lambda: Sensitivity(1e-10, 0.5, 5.0))
    errors_noise: float = 2.0
    errors: Sensitivity = field(default_factory=lambda: Sensitivity(1e-10, 0.5, 5.0))
    new_floor: float = 0.005
    """Share of a day's payments that may be of new categories."""
    new_payments: float = 5.0
    """So many more may be, however few payments a day has."""
