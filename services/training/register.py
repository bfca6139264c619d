"""The register of examples: of each payment the record of highest rank stands."""

from __future__ import annotations

import polars as pl

ID = "transaction_id"
FLAG_BITS, TIME_BITS = 1, 55  # of the key below; the rest is for the rank
_STOOD = -1


def precedence() -> pl.Expr:
    """Return what decides between records of a payment: rank, then the later label, then fraud."""
    rank = pl.col("label_rank").cast(pl.Int64) * (1 << (TIME_BITS + FLAG_BITS))
    return rank + pl.col("label_time") * (1 << FLAG_BITS) + pl.col("is_fraud").cast(pl.Int64)


def is_fresh(standing: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """Return which rows, in the order given, change what stands: the others are repeats or too late.

    Examples
    --------
    >>> rows = pl.DataFrame({
    ...     "transaction_id": ["a", "a", "a", "b"], "label_rank": [0, 1, 0, 0],
    ...     "label_time": [7, 3, 7, 8], "is_fraud": [False, True, False, False],
    ... })
    >>> is_fresh(rows.clear(), rows).to_list()
    [True, True, False, True]
    >>> is_fresh(rows.head(1), rows.tail(2)).to_list()
    [False, True]
    """
    chosen = [ID, "label_rank", "label_time", "is_fraud"]
    both = pl.concat([standing.select(chosen), rows.select(chosen)]).select(ID, key=precedence())
    best = pl.col("key").cum_max().shift(1, fill_value=_STOOD).over(ID)
    return both.select(pl.col("key") > best)["key"].slice(standing.height)


def upserted(standing: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return what stands after the rows, by event time and id; which came first does not matter."""
    return (
        pl.concat([standing, rows.select(standing.columns)])
        .sort(precedence(), maintain_order=True)
        .unique(ID, keep="last", maintain_order=True)
        .sort("event_time", ID)
    )
