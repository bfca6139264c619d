"""Intervals of shares and of their differences, without a distribution assumed beyond counting."""

from __future__ import annotations

import math
from statistics import NormalDist

from services.training.gates.verdict import Interval


def normal_quantile(confidence: float, comparisons: int = 1) -> float:
    """Return the two-sided quantile, each of several comparisons held to its part (Bonferroni, 1936).

    Examples
    --------
    >>> round(normal_quantile(0.95), 3), round(normal_quantile(0.95, 10), 3)
    (1.96, 2.807)
    """
    return NormalDist().inv_cdf(1 - (1 - confidence) / comparisons / 2)


def share_interval(count: int, of: int, quantile: float) -> Interval:
    """Return the interval of a share (Wilson, 1927).

    Examples
    --------
    >>> tuple(round(end, 3) for end in share_interval(8, 10, 1.96))
    (0.49, 0.943)
    """
    share, square = count / of, quantile**2
    middle = share + square / (2 * of)
    reach = quantile * math.sqrt(share * (1 - share) / of + square / (4 * of**2))
    return (middle - reach) / (1 + square / of), (middle + reach) / (1 + square / of)


def difference_interval(one: tuple[int, int], other: tuple[int, int], quantile: float) -> Interval:
    """Return the interval of a share minus another, both as (count, of) (Newcombe, 1998, method 10).

    Examples
    --------
    The worked example of that paper, 56 of 70 and 48 of 80:

    >>> tuple(round(end, 4) for end in difference_interval((56, 70), (48, 80), 1.95996))
    (0.0524, 0.3339)
    """
    first, second = one[0] / one[1], other[0] / other[1]
    low, high = share_interval(*one, quantile)
    other_low, other_high = share_interval(*other, quantile)
    difference = first - second
    return (
        difference - math.hypot(first - low, other_high - second),
        difference + math.hypot(high - first, second - other_low),
    )


def ratio_interval(ratio: float, quantile: float, *counts: int) -> Interval:
    """Return the interval of a ratio of rates that rest on so many events each (Katz et al., 1978).

    Examples
    --------
    >>> tuple(round(end, 3) for end in ratio_interval(1.5, 1.96, 50, 100))
    (1.068, 2.106)
    """
    reach = quantile * math.sqrt(sum(1 / count for count in counts))
    return ratio * math.exp(-reach), ratio * math.exp(reach)
