"""What a gate found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Outcome = Literal["pass", "fail", "not_enough_evidence"]
Interval = tuple[float, float]


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The outcome of one gate, with its numbers and one sentence."""

    gate: str
    outcome: Outcome
    sentence: str
    value: float | None = None
    """The number that decided."""
    limit: float | None = None
    """The bound that it was held against."""
    numbers: dict[str, float | None] = msgspec.field(default_factory=dict)


def unknown(gate: str, sentence: str) -> Verdict:
    """Return the verdict of a gate that had not enough to look at."""
    return Verdict(gate=gate, outcome="not_enough_evidence", sentence=sentence)


def outcome_of(estimate: float, interval: Interval, least: float, most: float) -> Outcome:
    """Fail where the whole interval lies outside [least, most], pass where the estimate lies inside.

    Examples
    --------
    >>> outcome_of(0.9, (0.8, 1.1), 1.0, 2.0)
    'not_enough_evidence'
    """
    if interval[1] < least or interval[0] > most:
        return "fail"
    return "pass" if least <= estimate <= most else "not_enough_evidence"


def worst_of(outcomes: list[Outcome]) -> Outcome:
    """Return the gravest of some outcomes: fail, then not enough evidence, then pass."""
    order: tuple[Outcome, ...] = ("fail", "not_enough_evidence", "pass")
    return next(each for each in order if each in outcomes)


def is_accepted(verdicts: Sequence[Verdict]) -> bool:
    """Whether no gate failed: what the evidence leaves open is decided by the roll-out, on more of it."""
    return all(verdict.outcome != "fail" for verdict in verdicts)
