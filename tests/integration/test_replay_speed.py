"""A fast and a slow replay give the same features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from services.cli.demo.story import await_quiet
from services.replay.delayed import Delays
from services.replay.pipeline import GROUPS
from services.replay.player import Play, Player
from services.replay.simulator import Simulation
from shared import wire
from tests.accuracy.served import accepted

SMALL = Simulation(customers=100, terminals=60, radius=15.0, days=12, seed=2, compromised_terminals=1.0)
SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "labels")
SLOW_SECONDS = 20.0  # 1.7 seconds a day: far more than the services are behind
DAY = 86_400


def served(folder: Path, play: Play) -> dict[str, dict[str, Any]]:
    with Stack(folder, services=SERVICES) as stack:
        player = Player(stack.settings, play)
        player.run(SMALL)
        await_quiet(stack.settings, GROUPS)
        records = [
            wire.decode(each) for chunk in accepted(stack.settings, "features.terminal.v1") for each in chunk
        ]
    return {each["transaction_id"]: each for each in records}


def test_a_fast_and_a_slow_replay_give_the_same_features(tmp_path: Path) -> None:
    delays = Delays(1, 3)
    fast = served(tmp_path / "fast", Play(delays=delays))
    slow = served(tmp_path / "slow", replace(Play(delays=delays), speed=SMALL.days * DAY / SLOW_SECONDS))
    assert len(fast) > 1500
    assert set(fast) == set(slow)
    blocks = ("customer_features", "terminal_features")
    differing = [n for n in fast if any(repr(fast[n][b]) != repr(slow[n][b]) for b in blocks)]
    assert differing == []
    labelled = [each for each in fast.values() if any(value > 0 for value in each["terminal_features"][3:])]
    assert labelled, "no feature depends on a label: the speeds were not tried"
