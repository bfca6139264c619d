"""The simulation of tests/unit/test_protocol.py, over more seeds."""

import pytest

from tests.unit.protocol_fakes import simulate_processes
from tests.unit.protocol_simulation import Simulation

FIRST, RUNS, AT_ONCE = 60, 600, 100


@pytest.mark.parametrize("first", range(FIRST, FIRST + RUNS, AT_ONCE))
def test_every_payment_comes_out_once_over_many_runs(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_processes(monkeypatch)
    found = {seed: Simulation(seed).run() for seed in range(first, first + AT_ONCE)}
    assert {seed: violations for seed, violations in found.items() if violations} == {}
