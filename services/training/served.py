"""Card precision of payments by the scores that they were served with, once their labels are known."""

from __future__ import annotations

import numpy as np
import polars as pl

from services.training.examples import Examples
from services.training.metrics import card_precision
from services.training.recipe import USUAL
from services.training.schedule import CP100, SERVICE
from services.training.split import parts, split
from shared.signals import Signal


def card_precision_served(rows: pl.DataFrame, until: int, now: int) -> Signal | None:
    """Return CP@100 of the newest matured week as a signal; None where no payment of it was scored.

    It is the mean over the week's days on which payments were scored. Who is left out is as in the trial
    of a recipe: customers known to be compromised by the start of a day, by a fraud in the weeks before,
    and those found among the top of an earlier day of the week. So it can be held against the trial's.

    Parameters
    ----------
    rows
        customer_id, event_time (microseconds), is_fraud, score, model_version; from before the week too.
    until
        Event time, microseconds: the week ends at the last midnight UTC by then.
    now
        Event time of the signal, microseconds.

    Returns
    -------
    Signal
        Of the version that scored most of the week's payments; of equals the first by name.
    """
    if not rows.height:
        return None
    week = split(until, USUAL.days, USUAL.delay_days, USUAL.test_days)
    _, test = parts(Examples(rows, np.empty((rows.height, 0), np.float32)), week)
    scored = test.rows.filter(pl.col("score").is_not_null())
    value = card_precision(scored, scored["score"].to_numpy())
    if value is None:
        return None
    return Signal(
        CP100,
        now,
        "info",
        SERVICE,
        min(scored["model_version"].mode().drop_nulls().to_list(), default=None),
        value,
        since=week.test_start,
        until=week.test_end,
        count=scored.height,
        is_mature=True,
    )
