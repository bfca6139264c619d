"""A cut of `make faults`: all services under load, and one fault of each of some kinds."""

from __future__ import annotations

from pathlib import Path

from tests.faults.run import run
from tests.faults.world import Size

FAULTS = ("kills", "stops", "zombies", "checkpoints_truncated", "redis_emptied")


def test_faults_under_load_lose_double_and_change_nothing(tmp_path: Path) -> None:
    size = Size(payments=3000, entities=600, rate=200, seed=1)
    result, held = run(tmp_path, size, dict.fromkeys(FAULTS, 1))
    assert [bound.row() for bound in held if not bound.is_ok] == [], result
