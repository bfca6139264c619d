"""Gate `cost`: speed, size and memory."""

from __future__ import annotations

from services.training.gates import evidence
from services.training.gates.verdict import Verdict
from shared.policy.gates import Cost

GATE = "cost"


def cost(measured: evidence.Cost, bounds: Cost) -> Verdict:
    """Return whether time, package and memory stay within their bounds."""
    held: list[tuple[str, float | None, float]] = [
        ("us_a_row", measured.us_a_row, bounds.most_us_a_row),
        ("ms_single", measured.ms_single, bounds.most_ms_single),
        ("package_bytes", measured.package_bytes, bounds.most_package_bytes),
        ("memory_bytes", measured.memory_bytes, bounds.most_memory_bytes),
    ]
    numbers = {name: value for name, value, _ in held}
    known = [(value / most, name, value, most) for name, value, most in held if value is not None]
    share, name, value, most = max(known)
    is_above = share > 1
    return Verdict(
        gate=GATE,
        outcome="fail" if is_above else "pass" if len(known) == len(held) else "not_enough_evidence",
        sentence=f"{name} is {value:.4g}, {'above' if is_above else 'of'} {most:.4g} allowed.",
        value=value,
        limit=most,
        numbers=numbers,
    )
