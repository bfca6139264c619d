"""The form that rows of the data set must have: columns, types, formats, ranges, no doubles."""

from __future__ import annotations

from collections.abc import Iterator

import pandera.polars as pa
import polars as pl

import schemas
from shared.features import FeatureSet
from shared.features.definitions import KINDS

TOKEN = r"^[0-9a-f]{32}$"
VERSION = r"^\S{1,200}$"
RANGES: dict[str, tuple[float, float]] = {
    "flags": (0, 1),
    "shares": (0, 1),
    "counts": (0, 1e9),
    "amounts": (0, 1e12),
    "ratios": (0, 1e12),
    "days": (0, 1e5),
}
"""Least and most value of a feature by its family of bins."""


def form(features: FeatureSet) -> pa.DataFrameSchema:
    """Return the form of rows as `Dataset.rows` gives them, undefined features as null."""
    token, time = pa.Check.str_matches(TOKEN), pa.Check.gt(0)
    share = pa.Check.in_range(0, 1)
    columns = {
        "transaction_id": pa.Column(pl.String, token, unique=True),
        "customer_id": pa.Column(pl.String, token),
        "terminal_id": pa.Column(pl.String, token),
        "event_time": pa.Column(pl.Int64, time),
        "label_time": pa.Column(pl.Int64, time),
        "known_at": pa.Column(pl.Int64, time),
        "amount_base": pa.Column(pl.Int64, pa.Check.ge(0)),
        "channel": pa.Column(pl.String, pa.Check.isin(_channels())),
        "is_fraud": pa.Column(pl.Boolean),
        "is_implied": pa.Column(pl.Boolean),
        "label_origin": pa.Column(pl.String, pa.Check.str_matches(VERSION)),
        "score": pa.Column(pl.Float64, share, nullable=True),
        "model_version": pa.Column(pl.String, pa.Check.str_matches(VERSION), nullable=True),
        "online_score": pa.Column(pl.Float64, share, nullable=True),
    }
    for entity in features.entities:
        for each in entity.features:
            least, most = RANGES[KINDS[each.kind].bins]
            columns[each.name] = pa.Column(pl.Float32, pa.Check.in_range(least, most), nullable=True)
    return pa.DataFrameSchema(columns)


def broken(rows: pl.DataFrame, features: FeatureSet) -> Iterator[tuple[str, str, int]]:
    """Yield column, rule and number of rows for each rule of the form that rows break."""
    try:
        form(features).validate(rows.with_columns(pl.col(features.names).fill_nan(None)), lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.group_by("column", "check", maintain_order=True).len()
        for column, rule, count in cases.iter_rows():
            yield str(column or "table"), str(rule), int(count)


def _channels() -> list[str]:
    fields = {each["name"]: each for each in schemas.avro("examples.v1")["fields"]}
    return list(fields["channel"]["type"]["symbols"])
