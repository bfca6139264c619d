"""Framed records as columns: the bodies of a run, read as one Avro container file in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from itertools import groupby

import fastavro
import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PanicException, PolarsError

import schemas
from shared.wire.framing import HEADER_BYTES, WireError, schema_name
from shared.wire.growth import long_bytes

_SYNC = b"Millrace columns"  # 16 bytes, as the container format asks


def decode_columns(values: Sequence[bytes], names: Sequence[str] | None = None) -> pl.DataFrame:
    """Decode framed records of our own flat schemas, one row a record, in their order.

    Parameters
    ----------
    values
        At least one record; runs of different schemas must share the named fields.
    names
        Fields to decode, in this order; all when None.

    Returns
    -------
    polars.DataFrame
        Times are Datetime in microseconds UTC, enums Strings or Categoricals, fixed values Binary.

    Raises
    ------
    WireError
        If a record is not framed with a schema of ours or cannot be one, or nothing was given.
    """
    if not values:
        raise WireError("no records to decode")
    first = values[0][:HEADER_BYTES]
    if all(value[:HEADER_BYTES] == first for value in values):
        return _decode_run(values, names)
    runs = groupby(values, key=lambda value: value[:HEADER_BYTES])
    return pl.concat([_decode_run(list(run), names) for _, run in runs], how="vertical_relaxed")


def feature_matrix(frame: pl.DataFrame, column: str) -> npt.NDArray[np.float32]:
    """Return a list column whose rows are equally long as a matrix, shape (n, k)."""
    flat = frame[column].explode(empty_as_null=False).to_numpy()
    return flat.astype(np.float32, copy=False).reshape(frame.height, -1)


def _decode_run(values: Sequence[bytes], names: Sequence[str] | None) -> pl.DataFrame:
    body = b"".join([value[HEADER_BYTES:] for value in values])
    container = b"".join(
        (
            _container_header(schema_name(values[0])),
            long_bytes(len(values)),
            long_bytes(len(body)),
            body,
            _SYNC,
        )
    )
    columns = list(names) if names is not None else None
    try:
        frame = pl.read_avro(io.BytesIO(container), columns=columns)
    except (PolarsError, PanicException, OSError) as error:
        raise WireError(f"not records of {schema_name(values[0])}: {error}") from error
    return frame if columns is None else frame.select(columns)


@cache
def _container_header(name: str) -> bytes:
    content = io.BytesIO()
    fastavro.writer(content, schemas.avro(name), [], sync_marker=_SYNC)
    return content.getvalue()
