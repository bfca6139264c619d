"""The groups that payments belong to: for analysis, never features."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from services.training.examples import Examples
from services.training.gates.evidence import Attributes

CUSTOMER_ATTRIBUTES = ("region", "age_band", "gender")
BANDS = (0, 20, 50, 100, 200)  # units of the base currency
UNKNOWN = "unknown"


def groups_of(examples: Examples, attributes: Attributes, unit: int) -> pl.DataFrame:
    """Return region, age_band, gender, channel and amount_band of each payment.

    A customer of whom nothing was told is in the group ``unknown``.

    Parameters
    ----------
    unit
        Minor units of the base currency in one unit.
    """
    by_customer = attributes.unique("customer_id", keep="last", maintain_order=True)
    joined = examples.rows.join(by_customer, on="customer_id", how="left", maintain_order="left")
    return joined.select(
        *(pl.col(name).fill_null(UNKNOWN) for name in CUSTOMER_ATTRIBUTES),
        pl.col("channel").cast(pl.String),
        amount_band=_bands(joined["amount_base"], unit),
    )


def _bands(amounts: pl.Series, unit: int) -> pl.Series:
    names = np.array([*(f"{low}-{high}" for low, high in pairwise(BANDS)), f"{BANDS[-1]}+"])
    places = np.digitize(amounts.to_numpy(), [edge * unit for edge in BANDS[1:]])
    return pl.Series(names[places].tolist())
