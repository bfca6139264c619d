"""The tiny service with one rule broken, named on the command line: what the checkers must catch."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from confluent_kafka import TopicPartition

from shared.stream import assignment, clients, loop
from shared.stream.assignment import Assignment
from shared.stream.loop import Loop
from shared.stream.positions import Positions
from shared.stream.progress import Place, Reached, committed_reach
from tests.faults import stream_stage
from tests.faults.stream_stage import Tiny
from tests.waiting import elapse

BATCH_SECONDS = 0.05  # a batch takes so long that a kill lands inside one
COMMIT_EVERY_MS = 5
LONGER = 10_000_000  # than what the broker takes


def sound() -> None:
    """Break nothing."""


def auto_commit() -> None:
    """Let the client commit what was polled, whatever became of it."""
    automatic = {"enable.auto.commit": True, "enable.auto.offset.store": True}
    clients.CONSUMER.update({**automatic, "auto.commit.interval.ms": COMMIT_EVERY_MS})
    _go_on_without_positions()
    Loop.commit = _without_commit  # type: ignore[method-assign]


def _go_on_without_positions() -> None:
    assignment.committed_reach = lambda offset, metadata, needs: committed_reach(offset, metadata, False)


def _without_commit(self: Loop, is_asynchronous: bool) -> None:
    self.assignment.progress.take_changed()


def no_position_rule() -> None:
    """Take every record as a first copy."""
    Positions.accept = lambda self, places, upstream, offsets: np.ones(len(places), np.bool_)  # type: ignore[method-assign,assignment]


def no_gap_rule() -> None:
    """Let the producer go on after a record that the broker refused."""
    loop.RECORD_BYTES = LONGER
    clients.PRODUCER.update({"enable.gapless.guarantee": False, "message.max.bytes": LONGER})


def checkpoint_after_commit() -> None:
    """Go on from what is committed, with the state that is written after it.

    The loop commits first and writes the state later. That does no harm, since a checkpoint says by itself
    to which offsets it belongs and is read on from there; here it counts as the state of the last commit.
    """
    start = Assignment._start

    def started(self: Assignment, place: Place, committed: Reached | None, *given: Any) -> int:
        return committed.offset if committed else start(self, place, committed, *given)

    Assignment._start = started  # type: ignore[method-assign]


def swallowed_exception() -> None:
    """Go on after any error."""
    take = Loop._take

    def taken(self: Loop, messages: Any) -> None:
        try:
            take(self, messages)
        except Exception:
            return

    Loop._take = taken  # type: ignore[method-assign]


def random_member_ids() -> None:
    """Join the group as somebody new at each start."""
    made = clients.consumer

    def random(settings: Any, group: str, **overrides: Any) -> Any:
        return made(settings, group, **{**overrides, "group.instance.id": uuid.uuid4().hex})

    clients.consumer = random


def no_positions_committed() -> None:
    """Commit offsets alone, and go on with the positions that were committed: none.

    A service refuses to. One with checkpoints has positions there and in what it reads again, which are
    left aside here.
    """
    _go_on_without_positions()
    Assignment._begin_positions = _forget_positions  # type: ignore[method-assign]
    end = Loop._end_silence

    def ended(self: Loop, batch: Any) -> None:
        silent = set(self.assignment.held.silent)
        end(self, batch)
        for place in silent - self.assignment.held.silent:
            _forget_positions(self.assignment, place)

    Loop._end_silence = ended  # type: ignore[method-assign]

    def bare(self: Loop, place: Place, reached: Reached) -> TopicPartition:
        return TopicPartition(self.settings.topic(place.topic), place.partition, reached.offset)

    Loop._commit_of = bare  # type: ignore[method-assign]


def _forget_positions(self: Assignment, place: Place, *given: Any) -> None:
    self.positions[place.topic].put(place.partition, [])


def own_partitioner() -> None:
    """Let the client choose partitions."""
    parts = loop.parts_of
    loop.parts_of = lambda *given: [(topic, -1, messages) for topic, _, messages in parts(*given)]


FINDINGS: dict[Callable[[], None], tuple[str, ...]] = {
    auto_commit: ("missing",),
    no_position_rule: ("repeats", "different"),
    no_gap_rule: ("missing", "inversions"),
    checkpoint_after_commit: ("different",),
    swallowed_exception: ("missing",),
    random_member_ids: ("slow_takeovers",),
    no_positions_committed: ("repeats", "different"),
    own_partitioner: ("misplaced",),
}
"""What gives each fault away: at least one of these must be found, whatever else is."""
PLANTED: dict[str, Callable[[], None]] = {each.__name__: each for each in (sound, *FINDINGS)}


def main() -> int:
    process = Tiny.process

    def slow(self: Tiny, batch: Any) -> Any:
        elapse(BATCH_SECONDS)
        return process(self, batch)

    Tiny.process = slow  # type: ignore[method-assign]
    PLANTED[sys.argv[1]]()
    return stream_stage.main()


if __name__ == "__main__":
    sys.exit(main())
