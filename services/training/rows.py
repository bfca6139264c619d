"""Rows of the data set: examples with where they lie, when their label counts, and no raw id."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import polars as pl

from services.training.examples import Examples, decoded
from shared import wire
from shared.features import FeatureSet

IDS = ("transaction_id", "customer_id", "terminal_id")
PLACES = {"partition": pl.Int32, "offset": pl.Int64}
TOKEN_BYTES = 16


def example_rows(
    values: Sequence[bytes], places: Sequence[tuple[int, int]], features: FeatureSet, key: bytes
) -> pl.DataFrame:
    """Return framed examples as rows, one column a feature; those of other features are left out.

    ``online_score`` is null until the learner has seen them.

    Parameters
    ----------
    places
        Partition and offset of each record.
    key
        Of the tokens that stand for ids: 32 bytes.
    """
    frame = decoded(values, features.version, pl.DataFrame(places, schema=PLACES, orient="row"))
    columns = pl.DataFrame(wire.feature_matrix(frame, "features"), schema=list(features.names))
    rows = frame.drop("features").with_columns(
        *(tokens(frame[name], key) for name in IDS),
        known_at=pl.col("label_time") + features.label_lag,
        online_score=pl.lit(None, pl.Float64),
    )
    return pl.concat([rows, columns], how="horizontal")


def without_ids(examples: Examples, key: bytes) -> Examples:
    """Return examples with keyed tokens in place of ids."""
    rows = examples.rows.with_columns(*(tokens(examples.rows[name], key) for name in IDS))
    return Examples(rows, examples.features)


def tokens(ids: pl.Series, key: bytes) -> pl.Series:
    """Return ids as keyed tokens: equal for equal ids, not to be undone without the key."""
    known = ids.unique()
    made = [_token(each, key) for each in known.to_list()]
    return ids.replace_strict(known, pl.Series(made, dtype=pl.String), return_dtype=pl.String)


def _token(text: str, key: bytes) -> str:
    return blake2b(text.encode(), key=key, digest_size=TOKEN_BYTES).hexdigest()
