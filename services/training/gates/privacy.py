"""Gate `privacy`: no identifier, token or protected attribute among the features or in the package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from services.training.gates.evidence import Features, Trial
from services.training.gates.groups import CUSTOMER_ATTRIBUTES, UNKNOWN
from services.training.gates.verdict import Verdict
from services.training.rows import IDS
from shared.policy.gates import Privacy

GATE = "privacy"
LEAST_CUSTOMERS = 50
PURITY = 0.99
TOKEN = "^[0-9a-f]{32}$"  # as the data set makes them: keyed, 128 bits
TOKEN_BYTES, TOKENS = 32, re.compile(rb"[0-9a-f]{32,}")
SECRETS = (b"PRIVATE KEY-----",)


def privacy(
    content: bytes, names: Sequence[str], trial: Trial, groups: pl.DataFrame, bounds: Privacy
) -> Verdict:
    """Return whether features or package tell who a customer is, or what group one belongs to.

    Names are held against the policy's lists; values too, since a name can be innocent: a feature that is
    the same in all payments of a customer and different for each is an identifier, and one from whose value
    a protected attribute can be told is that attribute.

    Parameters
    ----------
    content
        The package's bytes.
    groups
        One row a payment of the trial, with the customers' attributes among its columns.
    """
    found = [
        *_raw(trial),
        *_named(names, bounds),
        *_identifying(names, trial),
        *_protected(names, trial, groups),
        *_inside(content, trial),
    ]
    numbers: dict[str, float | None] = {"found": float(len(found)), "features": float(len(names))}
    return Verdict(
        gate=GATE,
        outcome="fail" if found else "pass",
        sentence=found[0]
        if found
        else "No identifier, token or protected attribute among features or in it.",
        value=float(len(found)),
        limit=0.0,
        numbers=numbers,
    )


def _named(names: Sequence[str], bounds: Privacy) -> Iterable[str]:
    for kind, forbidden in (
        ("an identifier", bounds.identifiers),
        ("a protected attribute", bounds.protected),
    ):
        for name in names:  # by whole words: "card" is not in "discard"
            if any(f"_{each}_" in f"_{_words(name)}_" for each in forbidden):
                yield f"Feature {name} bears the name of {kind}."


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _identifying(names: Sequence[str], trial: Trial) -> Iterable[str]:
    customer = trial.examples.rows["customer_id"]
    for place, name in enumerate(names):
        values = _column(trial.examples.features, place)
        by_customer = pl.DataFrame({"customer": customer, "value": values}).group_by("customer")
        found = by_customer.agg(pl.col("value").n_unique().alias("number"), pl.col("value").first())
        is_constant = (found["number"] == 1).all()
        is_own = found["value"].n_unique() > PURITY * found.height
        if found.height >= LEAST_CUSTOMERS and customer.len() > found.height and is_constant and is_own:
            yield f"Feature {name} has one value for each customer: it is an identifier."


def _protected(names: Sequence[str], trial: Trial, groups: pl.DataFrame) -> Iterable[str]:
    for attribute in CUSTOMER_ATTRIBUTES:
        known = groups[attribute] != UNKNOWN
        group = groups[attribute].filter(known)
        if group.len() == 0 or group.n_unique() < 2:
            continue
        commonest = _purity(pl.repeat(0, group.len(), eager=True), group)
        for place, name in enumerate(names):
            values = _column(trial.examples.features, place).filter(known)
            if values.n_unique() * 10 < group.len() and _purity(values, group) > max(
                PURITY, (1 + commonest) / 2
            ):
                yield f"Feature {name} tells {attribute}, a protected attribute."


def _purity(values: pl.Series, group: pl.Series) -> float:
    counted = pl.DataFrame({"value": values, "group": group}).group_by("value", "group").len()
    right = counted.group_by("value").agg(pl.col("len").max())["len"].to_list()
    return float(sum(right)) / group.len()


def _raw(trial: Trial) -> Iterable[str]:
    for column in IDS:
        if not trial.examples.rows[column].str.contains(TOKEN).all():
            yield f"The data set holds a {column} that is no keyed token."


def _inside(content: bytes, trial: Trial) -> Iterable[str]:
    if any(secret in content for secret in SECRETS):
        yield "The package holds a private key."
    written = _written(content)
    for column in IDS:
        if not written.isdisjoint(each.encode() for each in trial.examples.rows[column].unique()):
            yield f"The package holds a {column}."


def _written(content: bytes) -> set[bytes]:
    """Return all that looks like a token in a package's bytes."""
    found = (match.group() for match in TOKENS.finditer(content))
    return {run[at : at + TOKEN_BYTES] for run in found for at in range(len(run) - TOKEN_BYTES + 1)}


def _column(features: Features, place: int) -> pl.Series:
    return pl.Series(np.nan_to_num(features[:, place], nan=np.inf))
