"""The demo's story says what is amiss: each thing that must happen, and each that must not."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from services.cli.demo import attacks, change
from services.cli.demo.attacks import FLOOD_ORIGIN, Attacks
from services.cli.demo.change import Recovery
from services.cli.demo.loop import Loop
from services.replay.simulator import Simulation
from services.training.reports import FLOOD
from services.training.split import DAY
from shared.models import ModelRecord, Standing, standing
from shared.signals import Signal

CHANGED = 2
SIMULATION = Simulation(customers=60, terminals=20, days=3, compromised_terminals=5)
STORY = (
    ("old", "published", "first"),
    ("old", "champion", ""),
    ("new", "published", "alarm"),
    ("new", "shadow", ""),
    ("new", "canary", ""),
    ("new", "champion", ""),
    ("leaking", "published", ""),
    ("leaking", "rejected", ""),
    ("touched", "published", ""),
    ("touched", "champion", ""),
    ("touched", "rolled_back", ""),
    ("old", "champion", ""),
    ("old", "rolled_back", ""),
)
ALARM = Signal("missed-frauds", 5 * DAY, "alarm", "monitor")
TOLD = (
    ALARM,
    Signal(FLOOD, 6 * DAY, "alarm", "training", detail=f"150 labels from origin {FLOOD_ORIGIN} on one day"),
    Signal("model-refused", 6 * DAY, "alarm", "scoring", "touched", detail="altered: another digest"),
)
ATTACKS = Attacks("leaking", "touched", "old", "new")


@dataclass
class Lived:
    """What the story looks at, made up."""

    events: list[ModelRecord]
    alarms: list[Signal] = field(default_factory=lambda: list(TOLD))

    def loop(self) -> Loop:
        found: Standing = standing(self.events)
        champion = found.champion.version if found.champion else ""
        return cast(
            Loop,
            SimpleNamespace(
                simulation=SIMULATION,
                chronicle=SimpleNamespace(
                    events=self.events, alarms=self.alarms, day=lambda time: time / DAY
                ),
                standing=found,
                champion=champion,
                midnight=lambda day: day * DAY,
            ),
        )


def lived(*story: tuple[str, str, str], **others: Any) -> Loop:
    records = [
        ModelRecord(
            sequence=number,
            version=version,
            status=cast(Any, status),
            event_time=DAY,
            who="training",
            reason=reason,
        )
        for number, (version, status, reason) in enumerate(story or STORY, 1)
    ]
    return Lived(records, **others).loop()


def scored(by: str = "new", beside: str = "old", good: str = "score") -> pl.DataFrame:
    known = pl.concat(SIMULATION.frames())
    right, wrong = (known["label"] == "fraud").cast(pl.Float64), (known["label"] != "fraud").cast(pl.Float64)
    scores = {"score": wrong, "challenger_score": wrong, good: right}
    versions = {"model_version": pl.lit(by), "challenger_version": pl.lit(beside)}
    return known.select("transaction_id").with_columns(**scores, **versions)


def recovery(loop: Loop, rows: pl.DataFrame, new: str = "new") -> list[str]:
    return change.told(loop, Recovery("old", new), CHANGED, rows)[1]


def test_nothing_is_amiss_where_all_happened() -> None:
    assert recovery(lived(), scored()) == []
    assert attacks.told(lived(), ATTACKS, scored())[1] == []


def test_a_recovery_tells_its_figures() -> None:
    found, _ = change.told(lived(), Recovery("old", "new"), CHANGED, scored())
    assert found["ap_old"] < found["ap_new"] == 1.0
    assert (found["alarm_days"], found["alarms_before"]) == (3.0, 0)


@pytest.mark.parametrize(
    ("loop", "rows", "sentence"),
    [
        (lived(alarms=[]), scored(), "no alarm"),
        (lived(alarms=[Signal("missed-frauds", DAY, "alarm", "monitor")]), scored(), "no alarm"),
        (lived(), scored(good="challenger_score"), "not above"),
        (lived(), scored(beside="other"), "not above"),
        (lived(*(each for each in STORY if each[1] != "canary")), scored(), "another way"),
        (lived(*((a, b, "schedule") for a, b, _ in STORY)), scored(), "because of schedule"),
    ],
)
def test_a_recovery_that_is_none_is_told(loop: Loop, rows: pl.DataFrame, sentence: str) -> None:
    (told,) = recovery(loop, rows)
    assert sentence in told


def test_a_change_that_no_champion_followed_is_told() -> None:
    (told,) = recovery(lived(*STORY[:2]), scored(), new="")
    assert "no new champion" in told


@pytest.mark.parametrize(
    ("loop", "rows", "sentence"),
    [
        (lived(alarms=[TOLD[0], TOLD[2]]), scored(), "not told of as a flood"),
        (lived(alarms=[TOLD[0], TOLD[1]]), scored(), "did not refuse"),
        (lived(*(each for each in STORY if each[1] != "rejected")), scored(), "a label leaked"),
        (lived(), scored(by="touched"), "scored by"),
        (lived(), scored(beside="leaking"), "scored by"),
        (lived(*STORY[:-1]), scored(), "which is worse"),
    ],
)
def test_an_attack_that_succeeds_is_told(loop: Loop, rows: pl.DataFrame, sentence: str) -> None:
    (told,) = attacks.told(loop, ATTACKS, rows)[1]
    assert sentence in told
