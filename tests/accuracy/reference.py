"""The features a second time, with pandas on whole tables; shares no code with the services.

Every payment is looked at in a table sorted by entity and time, where a window is a range of rows.
Labels become spells: from when to when a payment counts as fraud, or as genuine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.indexers import BaseIndexer

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DAY = 86_400_000_000
LABEL_LAG, HORIZON, HISTORY = 1 * DAY, 7 * DAY, 75 * DAY
UNKNOWN_BEFORE = LABEL_LAG + HORIZON  # without a label a payment counts as genuine when it is that old
FOREVER = np.iinfo(np.int64).max
TOLERANCE = 1e-6
CUSTOMER = [
    "amount",
    "is_weekend",
    "is_night",
    "customer_count_1d",
    "customer_mean_amount_1d",
    "customer_count_7d",
    "customer_mean_amount_7d",
    "customer_count_30d",
    "customer_mean_amount_30d",
    "customer_habit_amount",
    "customer_habit_ratio",
    "customer_habit_ratio_max_1d",
    "customer_habit_ratio_max_14d",
    "customer_habit_above_7d",
    "customer_habit_above_14d",
]
TERMINAL = [
    "terminal_count_1d",
    "terminal_risk_1d",
    "terminal_count_7d",
    "terminal_risk_7d",
    "terminal_count_30d",
    "terminal_risk_30d",
    "terminal_last_label",
    "terminal_fraud_run",
    "terminal_fraud_run_days",
    "terminal_days_since_genuine",
    "terminal_days_since_fraud",
    "terminal_days_after_fraud",
    "terminal_fraud_share_14d",
    "terminal_fraud_share_37d",
    "terminal_fraud_least_habit_ratio",
]
NAMES = CUSTOMER + TERMINAL
EXACT = [
    "is_weekend", "is_night", "terminal_last_label", "terminal_fraud_run",
    *(name for name in NAMES if "_count_" in name or "_above_" in name),
]  # fmt: skip


def reference(payments: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the features of each payment, float64, by transaction_id.

    Parameters
    ----------
    payments
        transaction_id, event_time (microseconds), customer_id, terminal_id, amount (minor units), in
        the order of the log; each customer's in the order of time.
    labels
        transaction_id, label ("fraud" or "genuine"), label_time; in any order. Few against payments.
    """
    customers = customer_features(payments.reset_index(drop=True))
    ratios = dict(zip(payments["transaction_id"], customers["customer_habit_ratio"], strict=True))
    terminals = _terminal_features(payments.reset_index(drop=True), labels, ratios)
    both = pd.concat([customers, terminals], axis=1)[NAMES]
    return both.set_index(pd.Index(payments["transaction_id"], name="transaction_id"))


def different(ours: npt.ArrayLike, theirs: npt.ArrayLike | pd.DataFrame) -> int:
    """Return how many values differ: counts and flags at all, others by more than 1e-6 of the value."""
    found, expected = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if found.shape != expected.shape or found.shape[1] != len(NAMES):
        raise ValueError(f"the tables have shapes {found.shape} and {expected.shape}, not (n, {len(NAMES)})")
    is_exact = np.isin(NAMES, EXACT)
    allowed = np.where(is_exact, 0.0, TOLERANCE) * np.abs(expected)
    is_close = np.abs(found - expected) <= allowed
    return int((~(is_close | (np.isnan(found) & np.isnan(expected)))).sum())


class Ranges(BaseIndexer):  # type: ignore[misc]
    """Windows given as ranges of rows."""

    def __init__(self, start: Longs, end: Longs) -> None:
        super().__init__()
        self.start, self.end = start, np.maximum(start, end)

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Longs, Longs]:
        return self.start, self.end


class Sorted:
    """A table sorted by entity and time, where the rows of an entity up to a time can be found."""

    def __init__(self, table: pd.DataFrame, entity: str) -> None:
        codes, self.entities = pd.factorize(table[entity], sort=True)
        order = np.lexsort((table["event_time"], codes))  # stable: ties stay in the order of the log
        self.table = table.iloc[order]
        self.times = self.table["event_time"].to_numpy(np.int64)
        self.codes = codes[order].astype(np.int64)
        self.earliest = self.times.min() - 2 * HISTORY
        self.span = self.times.max() - self.earliest + 3 * HISTORY
        self.keys = self._keys(self.codes, self.times)

    def rows_until(self, codes: Longs, times: Longs) -> Longs:
        """Return the end of the range of rows of the entities up to and with the times."""
        return np.searchsorted(self.keys, self._keys(codes, times), "right")

    def rows_before(self, codes: Longs, times: Longs) -> Longs:
        """Return the end of the range of rows of the entities before the times."""
        return np.searchsorted(self.keys, self._keys(codes, times), "left")

    def _keys(self, codes: Longs, times: Longs) -> Longs:
        bounded = np.clip(times, self.earliest, self.earliest + self.span - 1)
        return codes * self.span + (bounded - self.earliest)

    def window(self, days: int, delay_days: int = 0, is_own_counted: bool = True) -> Ranges:
        """Return (t - delay - days, t - delay] of each row; without a delay later rows are left out."""
        start = self.rows_until(self.codes, self.times - (delay_days + days) * DAY)
        rows = np.arange(len(self.times)) + is_own_counted
        end = self.rows_until(self.codes, self.times - delay_days * DAY) if delay_days else rows
        return Ranges(start, end)


def customer_features(payments: pd.DataFrame) -> pd.DataFrame:
    """Return the 15 features of the customer for each payment, float64, rows as given."""
    by = Sorted(payments, "customer_id")
    if not (by.table.groupby(by.codes).apply(lambda each: each.index.is_monotonic_increasing)).all():
        raise ValueError("the payments of a customer are not in the order of time")
    amounts, out = by.table["amount"].astype(np.float64), pd.DataFrame(index=by.table.index)
    moments = pd.to_datetime(by.table["event_time"], unit="us")
    out["amount"] = amounts / 100
    out["is_weekend"] = (moments.dt.day_of_week >= 5).astype(float)
    out["is_night"] = (moments.dt.hour <= 6).astype(float)
    for days in (1, 7, 30):
        window = by.window(days)
        out[f"customer_count_{days}d"] = (window.end - window.start).astype(float)
        sums = amounts.rolling(window, min_periods=0).sum()
        out[f"customer_mean_amount_{days}d"] = sums / out[f"customer_count_{days}d"] / 100
    window = by.window(46, 14)
    habit_sum = amounts.rolling(window, min_periods=0).sum()
    counts = pd.Series(window.end - window.start, out.index).where(lambda each: each > 0)
    out["customer_habit_amount"] = habit_sum / counts / 100
    ratios = (amounts * counts / habit_sum.where(habit_sum > 0)).astype(np.float32).astype(np.float64)
    out["customer_habit_ratio"] = ratios
    for days in (1, 14):
        highest = ratios.rolling(by.window(days, is_own_counted=False), min_periods=1).max()
        out[f"customer_habit_ratio_max_{days}d"] = highest
    for days in (7, 14):
        window, is_above = by.window(days, is_own_counted=False), (ratios > 2.5).astype(float)
        out[f"customer_habit_above_{days}d"] = is_above.rolling(window, min_periods=0).sum()
    return out.sort_index()


def _terminal_features(
    payments: pd.DataFrame, labels: pd.DataFrame, ratios: dict[str, float]
) -> pd.DataFrame:
    by = Sorted(payments, "terminal_id")
    out = pd.DataFrame(index=by.table.index)
    frauds, genuine = _spells(by, labels)
    known = _rows_of(by, frauds)
    for days in (1, 7, 30):
        window = by.window(days, 7)
        counts = pd.Series(window.end - window.start, out.index).astype(float)
        found = _number(known[_is_in(known, 7 * DAY, (7 + days) * DAY)], by)
        out[f"terminal_count_{days}d"] = counts
        out[f"terminal_risk_{days}d"] = (found / counts).where(counts > 0, 0.0)
    least = known.assign(ratio=known["transaction_id"].map(ratios)).groupby("row")["ratio"].min()
    out["terminal_fraud_least_habit_ratio"] = least.reindex(range(len(out))).set_axis(out.index)
    _add_known_labels(out, by, known, _newest_genuine(by, labels, genuine))
    explicit = _rows_of(by, pd.concat([frauds, genuine]))
    explicit = explicit[_is_in(explicit, 0, UNKNOWN_BEFORE)]
    for days in (14, 37):
        implied = by.window(days - 8, 8)
        inside = explicit[_is_in(explicit, 0, days * DAY)]
        labelled = _number(inside, by) + (implied.end - implied.start)
        found = _number(known[_is_in(known, 0, days * DAY)], by)
        out[f"terminal_fraud_share_{days}d"] = found / labelled.where(labelled > 0)
    return out.sort_index()


def _add_known_labels(out: pd.DataFrame, by: Sorted, known: pd.DataFrame, genuine: pd.Series) -> None:
    times = pd.Series(by.times, out.index)
    genuine = genuine.set_axis(out.index)
    newest = known.groupby("row")["paid"].max().reindex(range(len(out))).set_axis(out.index)
    limits = genuine.to_numpy()[known["row"]]
    run = known[~(known["paid"].to_numpy() < limits)]  # no known genuine one: all of them
    lengths = _number(run, by)
    first = run.groupby("row")["paid"].min().reindex(range(len(out))).set_axis(out.index)
    is_known = (lengths > 0) | genuine.notna()
    out["terminal_last_label"] = (lengths > 0).astype(float).where(is_known)
    out["terminal_fraud_run"] = lengths
    out["terminal_fraud_run_days"] = ((times - first) / DAY).where(lengths > 0, 0.0)
    out["terminal_days_since_genuine"] = (times - genuine) / DAY
    out["terminal_days_since_fraud"] = (times - newest) / DAY
    paid = newest.fillna(by.times.max()).to_numpy(np.int64)
    following = by.times[np.minimum(by.rows_until(by.codes, paid), np.arange(len(by.times)))]
    ages = times - following
    out["terminal_days_after_fraud"] = (ages / DAY).where(ages >= LABEL_LAG, 0.0).where(newest.notna())


def _spells(by: Sorted, labels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return when labelled payments count as fraud and as genuine: code, paid, since, until (excluded)."""
    facts = labels.assign(is_fraud=labels["label"] == "fraud")
    facts = facts.sort_values(["transaction_id", "label_time", "is_fraud"])
    facts = facts.drop_duplicates(["transaction_id", "label_time"], keep="last")
    places = pd.Series(np.arange(len(by.table)), index=by.table["transaction_id"])
    rows = places.reindex(facts["transaction_id"])
    facts = facts[rows.notna().to_numpy()]
    row = rows.dropna().astype(int).to_numpy()
    facts = facts.assign(code=by.codes[row], paid=by.times[row], since=facts["label_time"] + LABEL_LAG)
    following = facts.groupby("transaction_id")["since"].shift(-1, fill_value=FOREVER)
    facts = facts.assign(until=following)[["transaction_id", "is_fraud", "code", "paid", "since", "until"]]
    implied = facts["paid"] + UNKNOWN_BEFORE
    unlabelled = facts.drop_duplicates("transaction_id").assign(until=lambda each: each["since"])
    unlabelled = unlabelled.assign(since=implied.loc[unlabelled.index])
    return facts[facts["is_fraud"]], pd.concat([facts[~facts["is_fraud"]], unlabelled])


def _rows_of(by: Sorted, spells: pd.DataFrame) -> pd.DataFrame:
    """Return row, paid, age and id for each row of the terminal within a spell and the history."""
    since = np.maximum(spells["since"], spells["paid"]).to_numpy(np.int64)
    until = np.minimum(spells["until"], spells["paid"] + HISTORY).to_numpy(np.int64)
    codes = spells["code"].to_numpy(np.int64)
    first, end = by.rows_before(codes, since), by.rows_before(codes, np.maximum(since, until))
    ranges = [np.arange(a, b) for a, b in zip(first, end, strict=True)]
    rows = np.concatenate([*ranges, np.zeros(0, np.int64)]).astype(np.int64)
    paid = np.repeat(spells["paid"].to_numpy(np.int64), end - first)
    ids = np.repeat(spells["transaction_id"].to_numpy(), end - first)
    return pd.DataFrame({"row": rows, "paid": paid, "age": by.times[rows] - paid, "transaction_id": ids})


def _is_in(pairs: pd.DataFrame, youngest: int, oldest: int) -> pd.Series:
    return (pairs["age"] >= youngest) & (pairs["age"] < oldest)


def _number(pairs: pd.DataFrame, by: Sorted) -> pd.Series:
    counts = np.bincount(pairs["row"], minlength=len(by.times)).astype(float)
    return pd.Series(counts, by.table.index)


def _newest_genuine(by: Sorted, labels: pd.DataFrame, spells: pd.DataFrame) -> pd.Series:
    """Return the time of the newest payment of the terminal known as genuine, for each row."""
    rows = pd.DataFrame({"code": by.codes, "at": by.times, "row": np.arange(len(by.times))})
    silent = rows[~by.table["transaction_id"].isin(labels["transaction_id"]).to_numpy()]
    silent = silent.assign(paid=silent["at"], at=silent["at"] + UNKNOWN_BEFORE)[["code", "at", "paid"]]
    implied = pd.merge_asof(rows.sort_values("at"), silent.sort_values("at"), on="at", by="code")
    implied = implied.set_index("row")["paid"].sort_index()
    implied = implied.where(rows["at"] - implied < HISTORY)
    labelled = _rows_of(by, spells).groupby("row")["paid"].max().reindex(range(len(rows)))
    return implied.combine(labelled, np.fmax)
