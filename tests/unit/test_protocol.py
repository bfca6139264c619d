"""Exactly once by position: the real run loop under random faults, and each of its rules left out.

With all rules every payment comes out once, as `plain_run` has it. With any one rule left out the
same simulation finds a loss, a doubling or another value: so the rule is needed, and the
simulation would notice if the run loop broke it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from shared.stream import assignment
from shared.stream.assignment import Assignment
from shared.stream.loop import Loop
from shared.stream.memory import MemoryProducer
from shared.stream.positions import Positions
from shared.stream.progress import Progress, Reached
from tests.unit import protocol_simulation
from tests.unit.protocol_fakes import Disk, simulate_processes
from tests.unit.protocol_simulation import Simulation

RUNS = 60  # tests/faults/test_stream_protocol.py goes on from here
RUNS_TO_FIND = 150

LeaveOut = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _two_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_processes(monkeypatch)


@pytest.mark.parametrize("seed", range(0, RUNS, 20))
def test_every_payment_comes_out_once_whatever_breaks(seed: int) -> None:
    found = {each: Simulation(each).run() for each in range(seed, seed + 20)}
    assert {each: violations for each, violations in found.items() if violations} == {}


def positions_are_committed_with_the_offset(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assignment, "committed_reach", lambda offset, *_: Reached(offset, []))


def a_checkpoint_holds_the_positions(patch: pytest.MonkeyPatch) -> None:
    newest = Disk.newest

    def without_positions(self: Disk, partition: int) -> Any:
        found = newest(self, partition)
        return found and replace(found, positions={topic: [] for topic in found.positions})

    patch.setattr(Disk, "newest", without_positions)


def a_checkpoint_counts_once_its_outputs_are_acknowledged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Progress, "has_reached", lambda *_: True)


def an_offset_is_committed_once_its_outputs_are_acknowledged(patch: pytest.MonkeyPatch) -> None:
    opened = Progress.open
    patch.setattr(Progress, "open", lambda self, reached, waiting: opened(self, reached, 0))


def a_state_starts_at_its_own_offset(patch: pytest.MonkeyPatch) -> None:
    start = Assignment._start

    def at_the_commit(self: Assignment, place: Any, committed: Any, *rest: Any) -> int:
        return committed.offset if committed else start(self, place, committed, *rest)

    patch.setattr(Assignment, "_start", at_the_commit)


def nothing_is_sent_below_what_is_committed(patch: pytest.MonkeyPatch) -> None:
    work = Loop._work
    patch.setattr(Loop, "_work", lambda self, batch, is_silent: work(self, batch, False))


def the_first_copy_wins(patch: pytest.MonkeyPatch) -> None:
    accept = Positions.accept
    patch.setattr(Positions, "accept", lambda self, *rows: accept(self, *rows) | True)


def facts_are_read_to_their_end_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Loop, "_hold_streams", lambda self: None)


def a_delivery_error_ends_the_process(patch: pytest.MonkeyPatch) -> None:
    def answer(self: Loop, ticket: Any) -> Any:
        return lambda *_: self.assignment.progress.answered(ticket)

    patch.setattr(Loop, "_answer", answer)


def the_producer_leaves_no_gap(patch: pytest.MonkeyPatch) -> None:
    class Leaky(MemoryProducer):
        def _objection(self, where: Any) -> KafkaError | None:
            error, self.is_broken = super()._objection(where), False
            return error

    patch.setattr(protocol_simulation, "PRODUCER", Leaky)


def a_member_that_lost_its_partitions_ends_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Loop, "on_lost", lambda self, *_: self.producer.flush(0))


@pytest.mark.parametrize(
    "leave_out",
    [
        positions_are_committed_with_the_offset,
        a_checkpoint_holds_the_positions,
        a_checkpoint_counts_once_its_outputs_are_acknowledged,
        an_offset_is_committed_once_its_outputs_are_acknowledged,
        a_state_starts_at_its_own_offset,
        nothing_is_sent_below_what_is_committed,
        the_first_copy_wins,
        facts_are_read_to_their_end_first,
        a_delivery_error_ends_the_process,
        the_producer_leaves_no_gap,
        a_member_that_lost_its_partitions_ends_at_once,
    ],
    ids=lambda rule: rule.__name__,
)
def test_a_rule_left_out_is_found(leave_out: LeaveOut, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out(monkeypatch)
    assert any(Simulation(seed).run() for seed in range(RUNS_TO_FIND))


def test_that_committed_positions_hold_after_catching_up_is_needed_where_the_log_was_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    often = ("_forget", "_revive", "_revive")
    assert not any(Simulation(seed, faults=often).run() for seed in range(3))
    monkeypatch.setattr(Positions, "raise_to", lambda *_: None)
    assert any(Simulation(seed, faults=often).run() for seed in range(RUNS_TO_FIND))
