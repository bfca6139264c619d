"""Each service is killed twice under load; what readers accept is what one thread gives, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import Stack
from services.cli.demo.story import await_quiet
from services.cli.run import SERVICES
from services.replay.delayed import Delays
from services.replay.player import Play, Player, Summary
from services.replay.simulator import Simulation
from shared.stream.clients import read_topic
from tests.faults import whole
from tests.faults.models import publish_model

PAYMENTS = 20_000
KILLS = [*SERVICES, *SERVICES]
SIMULATION = Simulation(customers=400, terminals=400, days=27, seed=3, compromised_terminals=0.5)


class Killer:
    """Kills a service each time another share of the payments was sent."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._rest = list(KILLS)
        self.killed: list[str] = []

    def look(self, summary: Summary) -> None:
        due = (len(self.killed) + 1) * PAYMENTS / (len(KILLS) + 1)
        if self._rest and summary.payments >= due:
            name = self._rest.pop(0)
            self._stack.supervisor.await_ready(service=name)
            self._stack.supervisor.kill(name)
            self.killed.append(name)


def same(found: Mapping[Any, bytes], due: Mapping[Any, bytes], what: str) -> None:
    assert set(found) == set(due), (
        f"{what}: {len(set(due) - set(found))} lost, {len(set(found) - set(due))} added"
    )
    found, due = whole.without_source(found), whole.without_source(due)
    differing = [name for name, value in due.items() if found[name] != value]
    assert not differing, f"{what}: {len(differing)} of {len(due)} differ, the first is {differing[0]}"


@pytest.mark.timeout(600)
def test_services_killed_twice_each_give_what_one_thread_gives_without_kafka(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack") as stack:
        settings = stack.settings
        publish_model(settings)
        stack.supervisor.kill("scoring")  # it starts again with the model
        stack.supervisor.await_ready(service="scoring")
        killer = Killer(stack)
        delays = Delays(1, 5, genuine_share=0.02, repeated_share=0.2, corrected_share=0.2)
        player = Player(settings, Play(delays=delays, repeat_share=0.01), killer.look)
        player.run(SIMULATION)
        player.send_pending()
        await_quiet(settings)
        assert killer.killed == KILLS
        assert player.summary.payments >= PAYMENTS
        single = whole.single_thread(settings, tmp_path / "single")
        repeats = 0
        for topic in whole.STREAM:
            found, repeated = whole.accepted(settings, topic)
            repeats += repeated
            same(found, whole.expected(single, topic), topic)
        for topic, register in (("examples.v1", whole.examples), ("outcomes.terminal.v1", whole.outcomes)):
            values = [message.value() or b"" for message in read_topic(settings, topic)]
            due = [record.value for log in single.logs[topic] for record in log]
            same(register(values), register(due), topic)
        assert not list(read_topic(settings, "dead-letters.v1"))
        assert repeats > 0, "no kill made a repeat: the position rule was not tried"
        assert len(single.logs["alerts.v1"][0]) > 10
        single.close()
