"""AUC and average precision before labels arrive, from the model's own confidence.

Each payment counts as a fraud by its calibrated probability and as genuine by the rest (CBPE, NannyML's
confidence-based performance estimation, 2022). It holds as long as the relation of score and fraud does:
a new kind of fraud that scores low is not seen until its labels come, so estimates are graded then.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.monitor.performance import MIDDLES, area_under_curve, average_precision

Weights = npt.NDArray[np.float64]
PRIOR_PAYMENTS = 20.0
"""Weight of the model's own probability against the shares of frauds seen at a score."""


def calibrated(genuine: Weights, frauds: Weights) -> Weights:
    """Return the probability of fraud in each bin of scores, from matured labels of the same model.

    Where few payments were seen it is the middle of the bin, the model's own word.

    Examples
    --------
    >>> none = np.zeros(len(MIDDLES))
    >>> bool(np.allclose(calibrated(none, none), MIDDLES))
    True
    """
    return (frauds + PRIOR_PAYMENTS * MIDDLES) / (genuine + frauds + PRIOR_PAYMENTS)


def estimated(scores: Weights, probabilities: Weights) -> dict[str, float | None]:
    """Return the expected AUC and average precision of payments, counted by bin of scores."""
    frauds = scores * probabilities
    genuine = scores - frauds
    return {"auc": area_under_curve(genuine, frauds), "ap": average_precision(genuine, frauds)}
