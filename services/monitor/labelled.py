"""Performance from labels, and the drift of errors once they have matured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.monitor.findings import Finding
from services.monitor.limits import Limits
from services.monitor.performance import (
    Confusion,
    area_under_curve,
    average_precision,
    calibration_error,
    losses,
)
from services.monitor.rates import Rate
from services.monitor.summaries import Sketch, Totals
from shared.policy import Decision

BASE_DAYS = 14
FLAGS = {"review": Decision.REVIEW, "decline": Decision.DECLINE}


def by_label(labels: Totals, column: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the counts of a column for genuine payments and for frauds, by bin."""
    genuine, frauds = labels.defined(f"{column}_genuine"), labels.defined(f"{column}_fraud")
    return genuine.astype(np.float64), frauds.astype(np.float64)


def performance(labels: Totals, is_mature: bool) -> list[Finding]:
    """Return the measures of performance of labelled payments; those that cannot be told are None."""
    if labels.count == 0:
        return []
    genuine, frauds = by_label(labels, "score")
    values: dict[str, float | None] = {
        "auc": area_under_curve(genuine, frauds),
        "ap": average_precision(genuine, frauds),
        "calibration_error": calibration_error(genuine, frauds),
        "frauds": float(frauds.sum()),
        **losses(labels.count, labels.sums),
    }
    for threshold, least in FLAGS.items():
        found = Confusion.of(*by_label(labels, "decision"), least).metrics()
        values |= {f"{name}.{threshold}": value for name, value in found.items()}
    return [Finding(f"performance.{name}", each, is_mature=is_mature) for name, each in values.items()]


@dataclass(slots=True)
class ArrivalWatch:
    """Watches the missed frauds among the labels as they come: before they have matured, and so earlier.

    Late labels are missing, but as many each day while delays stay what they are.
    """

    limits: Limits
    _rate: Rate = field(init=False)
    _arrived: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        """Start to learn the level."""
        self._rate = Rate(self.limits.errors, self.limits.errors_noise, BASE_DAYS)

    def take(self, sketch: Sketch) -> None:
        """Take note of labels that came."""
        self._arrived.add(sketch)

    def findings(self, payments: int) -> list[Finding]:
        """Return what is to be said of the labels that came while so many payments did."""
        arrived, self._arrived = self._arrived, Totals()
        missed = 0
        if arrived.count:
            missed = Confusion.of(*by_label(arrived, "decision"), Decision.REVIEW).false_negatives
        return self._rate.findings("missed-early", float(missed), payments, is_mature=False)


@dataclass(slots=True)
class ErrorWatch:
    """Watches the squared errors and the missed frauds of days whose labels have matured.

    A new model goes on from the level of the one before: if it is better, nothing is said.
    """

    limits: Limits
    _rates: dict[str, Rate] = field(init=False)

    def __post_init__(self) -> None:
        """Start to learn the levels."""
        names = ("error", "missed")
        self._rates = {name: Rate(self.limits.errors, self.limits.errors_noise, BASE_DAYS) for name in names}

    def findings(self, labels: Totals) -> list[Finding]:
        """Return what is to be said of the errors of a matured day."""
        if labels.count == 0:
            return []
        missed = Confusion.of(*by_label(labels, "decision"), Decision.REVIEW).false_negatives
        hits = {"error": labels.sums["score_squared_error"], "missed": float(missed)}
        found = list[Finding]()
        for name, rate in self._rates.items():
            found += rate.findings(name, hits[name], labels.count, is_mature=True)
        return found
