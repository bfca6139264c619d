"""A cut of `python -m tests.faults.lifecycle`: training is killed three times."""

from __future__ import annotations

from pathlib import Path

import msgspec

from deploy.local.stack import folder_settings
from shared.settings import Settings
from tests.faults.lifecycle import bounds, killed_throughout, of_events, planting, whole
from tests.faults.lifecycle_story import Undisturbed


def test_the_planted_story_ends_as_it_should(tmp_path: Path) -> None:
    undisturbed = Undisturbed(planting(folder_settings(tmp_path)), tmp_path / "undisturbed")
    undisturbed.live()
    told = [f"{each.version} {each.status}" for each in undisturbed.log.records if each.who == "training"]
    assert [each for each in told if not each.endswith("published")] == [
        "a champion",
        "b shadow",
        "b canary",
        "b champion",
        "a retired",
        "c shadow",
        "f rejected",
        "c rejected",
        "d shadow",
        "d rejected",
        "e rolled_back",
        "g shadow",
    ]
    records = undisturbed.log.records
    again = msgspec.structs.replace(records[-1], sequence=len(records) + 1, status="retired")
    assert of_events(records, records[:-1], whole)["lost"] == 1
    assert of_events(records, [*records, again], whole)["doubled"] == 1


def test_training_that_is_killed_neither_loses_nor_doubles_an_event(
    settings: Settings, tmp_path: Path
) -> None:
    result = killed_throughout(settings, tmp_path / "undisturbed", kills=2, seed=1)
    assert [bound.row() for bound in bounds(result) if not bound.is_ok] == [], result
    assert result["measurements"] > 0
    assert result["measurements_different"] == 0
