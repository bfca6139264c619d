"""Features as bins for linear models: each bin of each feature is an input of its own."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from river import base

UNDEFINED = "undefined"


class Bins(base.Transformer):
    """Turns a payment's features into one active input a feature: the bin that its value is in.

    A linear model on bins is an additive one: it takes any shape of each feature, needs no scaling and has
    an input for an undefined value.

    Parameters
    ----------
    edges
        Ascending edges by feature: ``edge <= value`` goes right.

    Examples
    --------
    >>> Bins({"amount": [10.0, 100.0], "risk": [0.5]}).transform_one({"amount": 10.0})
    {'amount 1': 1.0, 'risk undefined': 1.0}
    """

    def __init__(self, edges: Mapping[str, Sequence[float]]) -> None:
        self.edges = {name: tuple(each) for name, each in edges.items()}
        self._inputs = [
            (name, each, tuple(f"{name} {number}" for number in range(len(each) + 1)), f"{name} {UNDEFINED}")
            for name, each in self.edges.items()
        ]

    def transform_one(self, x: dict[Any, Any]) -> dict[Any, Any]:
        """Return the active inputs of a payment."""
        active = {}
        for name, edges, inputs, undefined in self._inputs:
            value = x.get(name)
            active[undefined if value is None else inputs[bisect_right(edges, value)]] = 1.0
        return active
