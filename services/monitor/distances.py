"""How far two histograms over the same bins lie apart, and how far chance alone would put them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

HALF = 0.5  # an empty bin counts as half an observation

Counts = npt.NDArray[np.int64]


def population_stability(expected: Counts, observed: Counts) -> float:
    """Return the population stability index of two histograms over the same bins.

    Parameters
    ----------
    expected, observed
        Counts per bin, shape (n_bins,). Bins that are empty in one of them count as half an observation
        there; bins that are empty in both are left out.

    Returns
    -------
    float
        Nats, >= 0; 0 for equal shares.

    Raises
    ------
    ValueError
        If the shapes differ or a histogram is empty.

    Examples
    --------
    >>> round(population_stability(np.array([50, 50]), np.array([80, 20])), 3)
    0.416
    """
    before, after = _shares(expected, observed)
    return float(((after - before) * np.log(after / before)).sum())


def kolmogorov_smirnov(expected: Counts, observed: Counts) -> float:
    """Return the largest distance of the cumulated shares of two histograms over the same ascending bins.

    Examples
    --------
    >>> round(kolmogorov_smirnov(np.array([50, 50]), np.array([80, 20])), 3)
    0.3

    Raises
    ------
    ValueError
        If the shapes differ or a histogram is empty.
    """
    _check(expected, observed)
    return float(np.abs(np.cumsum(expected / expected.sum() - observed / observed.sum())).max())


def chance_stability(expected: Counts, observed: Counts) -> float:
    """Return the population stability index that draws from one distribution would have, on average.

    That is (bins - 1) (1/n + 1/m), since n m / (n + m) times the index is nearly chi-squared (Yurdakul and
    Naranjo, 2020).

    Examples
    --------
    >>> chance_stability(np.array([60, 40]), np.array([30, 70]))
    0.02
    """
    _check(expected, observed)
    used = int(((expected > 0) | (observed > 0)).sum())
    return float((used - 1) * (1 / expected.sum() + 1 / observed.sum()))


def chance_distance(expected: Counts, observed: Counts) -> float:
    """Return the scale of the Kolmogorov-Smirnov distance under chance: the root of 1/n + 1/m."""
    _check(expected, observed)
    return float(np.sqrt(1 / expected.sum() + 1 / observed.sum()))


def _shares(expected: Counts, observed: Counts) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    _check(expected, observed)
    used = (expected > 0) | (observed > 0)
    before, after = np.maximum(expected[used], HALF), np.maximum(observed[used], HALF)
    return before / before.sum(), after / after.sum()


def _check(expected: Counts, observed: Counts) -> None:
    if expected.shape != observed.shape:
        raise ValueError(f"histograms of {len(expected)} and {len(observed)} bins cannot be compared")
    if expected.sum() == 0 or observed.sum() == 0:
        raise ValueError("an empty histogram lies nowhere")
