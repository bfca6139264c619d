"""How well scores and decisions told frauds, from histograms by label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.policy import Decision
from shared.sketches import SCORE_EDGES

Weights = npt.NDArray[np.float64]
MIDDLES = np.convolve(np.concatenate(([0.0], SCORE_EDGES, [1.0])), [0.5, 0.5], "valid")
"""The middle of each bin of scores."""


def area_under_curve(genuine: Weights, frauds: Weights) -> float | None:
    """Probability that a fraud scores above a genuine payment, ties counting half; None without one of each.

    Parameters
    ----------
    genuine, frauds
        Weights per bin of scores, ascending, without the undefined: counts, or expected counts.

    Examples
    --------
    >>> area_under_curve(np.array([3.0, 1.0]), np.array([1.0, 3.0]))
    0.75
    """
    pairs = genuine.sum() * frauds.sum()
    if not pairs > 0:
        return None
    below = np.cumsum(genuine) - genuine
    return float((frauds * (below + genuine / 2)).sum() / pairs)


def average_precision(genuine: Weights, frauds: Weights) -> float | None:
    """Mean over frauds of the precision when all payments of their bin and above are flagged.

    Payments of one bin cannot be told apart, so this is the average precision of the bins' places.
    None without a fraud.

    Examples
    --------
    >>> average_precision(np.array([3.0, 1.0]), np.array([1.0, 3.0]))
    0.6875
    """
    if not frauds.sum() > 0:
        return None
    found = np.cumsum(frauds[::-1])
    flagged = found + np.cumsum(genuine[::-1])
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    return float((precision * frauds[::-1]).sum() / frauds.sum())


@dataclass(frozen=True, slots=True)
class Confusion:
    """Payments by what was decided and what they were."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, genuine: Weights, frauds: Weights, least: Decision) -> Confusion:
        """Return the counts where decisions from ``least`` on flag; bins are the codes of decisions."""
        caught, false = int(frauds[least:].sum()), int(genuine[least:].sum())
        return cls(caught, false, int(frauds.sum()) - caught, int(genuine.sum()) - false)

    def metrics(self) -> dict[str, float | None]:
        """Return accuracy, precision, recall and F1; None where nothing was to be counted.

        Examples
        --------
        >>> found = Confusion(3, 1, 2, 94).metrics()
        >>> {name: round(value, 3) for name, value in found.items()}
        {'accuracy': 0.97, 'precision': 0.75, 'recall': 0.6, 'f1': 0.667}
        """
        caught, flagged = self.true_positives, self.true_positives + self.false_positives
        frauds = caught + self.false_negatives
        everything = flagged + self.false_negatives + self.true_negatives
        return {
            "accuracy": _share(caught + self.true_negatives, everything),
            "precision": _share(caught, flagged),
            "recall": _share(caught, frauds),
            "f1": _share(2 * caught, flagged + frauds),
        }


def calibration_error(genuine: Weights, frauds: Weights) -> float | None:
    """Mean over payments of the distance of a bin's share of frauds from the bin's middle; None without any.

    Examples
    --------
    >>> genuine, frauds = np.zeros(len(MIDDLES)), np.zeros(len(MIDDLES))
    >>> genuine[-1] = frauds[-1] = 5
    >>> round(calibration_error(genuine, frauds), 3)
    0.475
    """
    everything = genuine + frauds
    if not everything.sum() > 0:
        return None
    shares = np.divide(frauds, everything, out=MIDDLES.copy(), where=everything > 0)
    return float((everything * np.abs(shares - MIDDLES)).sum() / everything.sum())


def losses(count: int, sums: dict[str, float]) -> dict[str, float | None]:
    """Return RMSE, MSE and R2 of the expected loss against the realised one, and the Brier score.

    Parameters
    ----------
    count
        Payments.
    sums
        Of the columns of the labels' sketches; losses in minor units.
    """
    if count == 0:
        return dict.fromkeys(("loss_mse", "loss_rmse", "loss_r2", "brier"))
    mse = sums["loss_squared_error"] / count
    spread = sums["realised_loss_squared"] - sums["realised_loss"] ** 2 / count
    return {
        "loss_mse": mse,
        "loss_rmse": float(np.sqrt(mse)),
        "loss_r2": 1 - sums["loss_squared_error"] / spread if spread > 0 else None,
        "brier": sums["score_squared_error"] / count,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
