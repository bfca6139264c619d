"""A cut of `make faults`: all services under load, killed and told to leave."""

from __future__ import annotations

from pathlib import Path

from tests.faults.run import run
from tests.faults.world import Size


def test_services_that_are_killed_lose_double_and_change_nothing(tmp_path: Path) -> None:
    result, held = run(
        tmp_path, Size(payments=3000, entities=600, rate=200, seed=1), {"kills": 1, "stops": 1}
    )
    assert [bound.row() for bound in held if not bound.is_ok] == [], result
