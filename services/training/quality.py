"""Quality of the data set before a model learns from it: its form, its balance, what changed in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from services.training.examples import Examples
from services.training.form import broken
from services.training.publish import histograms
from services.training.split import DAY
from shared.features import FeatureSet
from shared.models import Manifest

Severity = Literal["ok", "warning", "failed"]

LEAST_FRAUDS, MOST_FRAUDS = 0.0002, 0.2  # shares of all payments: outside no card business is known
MOST_SHIFT_OF_FRAUDS = 4.0  # factor against the last accepted set
LEAST_OF_A_DAY = 0.3  # of the median day's payments: below, a part of the stream is missing
MOST_MISSING_SHIFT = 0.2
MOST_OUTLIERS = 0.05
OUTLIER_SPREADS = 10.0  # quartile distances beyond the quartiles: far out even for long tails
MOST_STABILITY_INDEX = 0.25  # above it a shift is usually called one (Siddiqi, 2006)
EMPTY_BIN = 0.5  # observations: an empty bin has no logarithm

Histograms = Mapping[str, Sequence[int]]


class Check(msgspec.Struct, frozen=True):
    """One thing looked at. ``warning`` is told, ``failed`` keeps the set from being learned from."""

    name: str
    severity: Severity
    value: float
    limit: float
    detail: str = ""


class Quality(msgspec.Struct, frozen=True):
    """The report on a data set."""

    as_of: int
    rows: int
    frauds: int
    checks: list[Check]

    @property
    def failures(self) -> list[Check]:
        """The checks for which no model may learn from it."""
        return [check for check in self.checks if check.severity == "failed"]

    @property
    def warnings(self) -> list[Check]:
        """The checks that a person should look at."""
        return [check for check in self.checks if check.severity == "warning"]


class Accepted(msgspec.Struct, frozen=True):
    """The set that the newest model learned from, as its manifest tells."""

    fraud_share: float
    histograms: dict[str, list[int]]

    @classmethod
    def of(cls, manifest: Manifest) -> Accepted:
        """Return the set that a model learned from, the payments that were left out counted in."""
        genuine = (manifest.rows - manifest.frauds) / manifest.genuine_rate
        return cls(manifest.frauds / (manifest.frauds + genuine), manifest.histograms)


def quality(examples: Examples, features: FeatureSet, as_of: int, accepted: Accepted | None) -> Quality:
    """Return the report on examples whose labels are all known, against the last accepted set."""
    columns = pl.DataFrame(examples.features, schema=list(features.names))
    rows = pl.concat([examples.rows, columns], how="horizontal")
    checks = [
        *(
            Check(f"form: {column}", "failed", count, 0, rule)
            for column, rule, count in broken(rows, features)
        ),
        *_balance(examples, accepted),
        *_coverage(examples),
        *_outliers(columns),
    ]
    if accepted is not None:
        checks += _distributions(histograms(examples.features, features), accepted.histograms)
    return Quality(as_of, len(examples), examples.frauds, checks)


def stability_index(expected: npt.NDArray[np.float64], observed: npt.NDArray[np.float64]) -> float:
    """Return the population stability index of two histograms over the same bins, nats (Siddiqi, 2006).

    Examples
    --------
    >>> round(stability_index(np.array([50.0, 50.0]), np.array([80.0, 20.0])), 3)
    0.416
    """
    before = np.maximum(expected, EMPTY_BIN) / np.maximum(expected, EMPTY_BIN).sum()
    after = np.maximum(observed, EMPTY_BIN) / np.maximum(observed, EMPTY_BIN).sum()
    return float(((after - before) * np.log(after / before)).sum())


def _balance(examples: Examples, accepted: Accepted | None) -> Iterator[Check]:
    share = examples.frauds / max(len(examples), 1)
    is_possible = LEAST_FRAUDS <= share <= MOST_FRAUDS
    limit = MOST_FRAUDS if share > MOST_FRAUDS else LEAST_FRAUDS
    yield Check("share of frauds", "ok" if is_possible else "failed", share, limit)
    if accepted is not None and share and accepted.fraud_share:
        factor = max(share / accepted.fraud_share, accepted.fraud_share / share)
        severity: Severity = "warning" if factor > MOST_SHIFT_OF_FRAUDS else "ok"
        yield Check("share of frauds against the last set", severity, factor, MOST_SHIFT_OF_FRAUDS)


def _coverage(examples: Examples) -> Iterator[Check]:
    days = examples.times // DAY
    counts = np.bincount(days - days.min()) if len(days) else np.zeros(1, np.int64)
    whole = counts[1:-1] if len(counts) > 2 else counts
    least = float(whole.min() / max(np.median(whole), 1))
    thin = int((whole < LEAST_OF_A_DAY * np.median(whole)).sum())
    severity: Severity = "warning" if thin else "ok"
    yield Check("payments of the thinnest day", severity, least, LEAST_OF_A_DAY, f"{thin} thin days")


def _outliers(columns: pl.DataFrame) -> Iterator[Check]:
    for name in columns.columns:
        values = columns[name].drop_nans()
        low, high = values.quantile(0.25), values.quantile(0.75)
        if low is None or high is None or high <= low:
            continue
        reach = OUTLIER_SPREADS * (high - low)
        share = float(((values < low - reach) | (values > high + reach)).mean() or 0.0)  # type: ignore[arg-type]
        severity: Severity = "warning" if share > MOST_OUTLIERS else "ok"
        yield Check(f"outliers: {name}", severity, share, MOST_OUTLIERS)


def _distributions(found: Histograms, accepted: Histograms) -> Iterator[Check]:
    for name in sorted(set(found) & set(accepted)):
        before, after = np.array(accepted[name], np.float64), np.array(found[name], np.float64)
        if before.shape != after.shape or not before.sum() or not after.sum():
            continue
        missing = abs(float(after[-1] / after.sum() - before[-1] / before.sum()))
        is_lost: Severity = "warning" if missing > MOST_MISSING_SHIFT else "ok"
        yield Check(f"share undefined: {name}", is_lost, missing, MOST_MISSING_SHIFT)
        index = stability_index(before, after)
        severity: Severity = "warning" if index > MOST_STABILITY_INDEX else "ok"
        yield Check(f"distribution: {name}", severity, index, MOST_STABILITY_INDEX)
