"""Gate `package`: the signed package is taken by the loader that the services use."""

from __future__ import annotations

from services.training.gates.verdict import Verdict
from shared.models import Model, ModelRefused

GATE = "package"


def package(loaded: Model | ModelRefused) -> Verdict:
    """Return whether the package loads: signature, digest, features, libraries, a probability for a row."""
    if isinstance(loaded, ModelRefused):
        return Verdict(
            gate=GATE, outcome="fail", sentence=f"The loader refuses it: {loaded.reason}: {loaded}."
        )
    return Verdict(gate=GATE, outcome="pass", sentence="Signature, features and libraries hold; it loads.")
