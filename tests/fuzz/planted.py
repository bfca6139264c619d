"""A target that finds fault with four zero bytes in a row."""

from __future__ import annotations

from tests.fuzz.target import PLANTED, Target, check


def _find(data: bytes) -> None:
    check(b"\0\0\0\0" not in data, "planted")


TARGETS = {PLANTED: Target(lambda folder: _find)}
