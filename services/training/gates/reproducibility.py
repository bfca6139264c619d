"""Gate `reproducibility`: the same rows and seed give the same model."""

from __future__ import annotations

from services.training.gates.evidence import Refitted
from services.training.gates.verdict import Verdict, unknown

GATE = "reproducibility"
SHOWN = 12  # digits of a digest that a person compares


def reproducibility(refitted: Refitted | None) -> Verdict:
    """Return whether a second fit gave the same bytes; None where there was none."""
    if refitted is None:
        return unknown(GATE, "It was not fitted a second time.")
    first, second = refitted.first[:SHOWN], refitted.second[:SHOWN]
    if refitted.first != refitted.second:
        sentence = f"The same rows and seed gave {first} and then {second}."
        return Verdict(gate=GATE, outcome="fail", sentence=sentence)
    return Verdict(gate=GATE, outcome="pass", sentence=f"The same rows and seed gave {first} twice.")
