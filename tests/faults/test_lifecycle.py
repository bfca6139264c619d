"""A cut of `python -m tests.faults.lifecycle`: training is killed three times."""

from __future__ import annotations

from pathlib import Path

from shared.settings import Settings
from tests.faults.lifecycle import bounds, killed_throughout


def test_training_that_is_killed_neither_loses_nor_doubles_an_event(
    settings: Settings, tmp_path: Path
) -> None:
    result = killed_throughout(settings, tmp_path / "undisturbed", kills=3, seed=1)
    assert [bound.row() for bound in bounds(result) if not bound.is_ok] == [], result
