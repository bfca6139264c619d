"""What a service holds of the log: where each partition begins, and what must be read in silence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from shared.stream.checkpoints import Checkpoint, Checkpoints
from shared.stream.positions import Positions
from shared.stream.progress import Place, Progress, Reached, committed_reach
from shared.stream.records import Input, Stage

ANSWER_SECONDS = 30.0

log = logging.getLogger(__name__)


class StateError(Exception):
    """State that does not belong to the topics as they are; one sentence that says what to do."""


@dataclass(slots=True)
class Held:
    """The partitions held, with what is known of each input place."""

    following: dict[Place, Reached] = field(default_factory=dict)
    """Where the next record of each place is due, with its event time."""
    committed: dict[Place, Reached] = field(default_factory=dict)
    silent: set[Place] = field(default_factory=set)
    """Places that are read again below what is committed: nothing is sent there."""
    facts_due: dict[Place, int] = field(default_factory=dict)
    """Facts that are read up to here before any stream goes on."""

    def forget(self, partition: int) -> None:
        """Drop a partition that went elsewhere."""
        for places in (self.following, self.committed, self.facts_due):
            for place in [place for place in places if place.partition == partition]:
                del places[place]
        self.silent = {place for place in self.silent if place.partition != partition}

    @property
    def partitions(self) -> set[int]:
        """The partition numbers held."""
        return {place.partition for place in self.following}


@dataclass(slots=True)
class Assignment:
    """Takes partitions over and lets them go."""

    stage: Stage
    consumer: Consumer
    checkpoints: Checkpoints
    topic_of: Callable[[str], str]
    topics: dict[str, list[str | int]]
    """Id and partition count of each input topic, as the broker has them."""
    progress: Progress = field(default_factory=Progress)
    held: Held = field(default_factory=Held)
    positions: dict[str, Positions] = field(init=False)

    def __post_init__(self) -> None:
        self.positions = {each.topic: Positions() for each in self.stage.inputs if each.kind == "stream"}

    def take(self, partitions: Iterable[int]) -> dict[Place, int]:
        """Take partitions over; return the offset from which each place is read.

        Raises
        ------
        StateError
            If a checkpoint was made of other topics, a commit holds no positions, or records that were
            not taken have been deleted.
        """
        starts: dict[Place, int] = {}
        for partition in sorted(set(partitions)):
            committed = self._committed(partition)
            carried = [each.carried for each in committed.values() if each.carried is not None]
            self.stage.carry_on(partition, carried[0] if carried else None)
            kept = self._kept(partition, committed)
            checkpoint = self._restored(partition, kept)
            applied = self.stage.applied(partition) if self.stage.has_store else {}
            for each in self.stage.inputs:
                place = Place(each.topic, partition)
                start = max(kept[place], self._start(place, committed.get(place), checkpoint, applied))
                starts[place] = self._begin(each, place, start, committed.get(place), checkpoint)
        return starts

    def release(self, partition: int) -> None:
        """Let a partition go."""
        self.stage.release(partition)
        self.held.forget(partition)
        self.progress.forget(partition)
        for positions in self.positions.values():
            positions.put(partition, [])

    def _committed(self, partition: int) -> dict[Place, Reached]:
        places = [TopicPartition(self.topic_of(each.topic), partition) for each in self.stage.inputs]
        found = self.consumer.committed(places, ANSWER_SECONDS)
        result = {}
        for each, answer in zip(self.stage.inputs, found, strict=True):
            if answer.error:
                raise StateError(f"the committed offset of {answer.topic} can't be read: {answer.error}")
            if answer.offset >= 0:
                try:
                    reached = committed_reach(answer.offset, answer.metadata, each.kind == "stream")
                except ValueError as error:
                    raise StateError(f"{answer.topic} {partition}: {error}") from error
                result[Place(each.topic, partition)] = reached
        return result

    def _kept(self, partition: int, committed: dict[Place, Reached]) -> dict[Place, int]:
        """Return the first offset kept of each input."""
        kept = {}
        for each in self.stage.inputs:
            place = Place(each.topic, partition)
            at = self._broker_place(place)
            low: int = self.consumer.get_watermark_offsets(at, timeout=ANSWER_SECONDS)[0]
            following = committed[place].offset if place in committed else low
            if following < low:
                raise StateError(
                    f"{at.topic} {partition}: the records from {following} to {low - 1} were deleted before "
                    "they were taken; keep the topic longer, and to go on without them commit "
                    f"offset {low} with the metadata of {following}"
                )
            kept[place] = low
        return kept

    def _restored(self, partition: int, kept: dict[Place, int]) -> Checkpoint | None:
        if not self.stage.has_checkpoints:
            return None
        checkpoint = self.checkpoints.newest(partition)
        if checkpoint is not None and any(
            checkpoint.offsets[place.topic] < low for place, low in kept.items()
        ):
            log.warning("checkpoint before the start of the log passed over", extra={"partition": partition})
            checkpoint = None
        if checkpoint is not None and checkpoint.topics != self.topics:
            raise StateError(
                f"the checkpoint of partition {partition} was made of other topics (ids or partition "
                "counts differ); clear the checkpoints and the group's offsets to begin anew"
            )
        self.stage.restore(partition, checkpoint.arrays if checkpoint else None)
        return checkpoint

    def _start(
        self, place: Place, committed: Reached | None, checkpoint: Checkpoint | None, applied: dict[str, int]
    ) -> int:
        if checkpoint is not None:
            return checkpoint.offsets[place.topic]
        at = committed.offset if committed and not self.stage.has_checkpoints else 0
        return min(at, applied.get(place.topic, 0)) if self.stage.has_store else at

    def _begin(
        self, each: Input, place: Place, start: int, committed: Reached | None, checkpoint: Checkpoint | None
    ) -> int:
        is_behind = committed is not None and start < committed.offset
        time = checkpoint.event_times.get(place.topic) if checkpoint else None
        if committed is not None and not is_behind and checkpoint is None:
            time = committed.event_time
        self.held.following[place] = self.progress.durable[place] = Reached(start, None, time)
        if committed is not None:
            self.held.committed[place] = committed
        if each.kind == "facts":
            end = self.consumer.get_watermark_offsets(self._broker_place(place), timeout=ANSWER_SECONDS)[1]
            self.held.facts_due[place] = end
        elif is_behind:
            self.held.silent.add(place)
            self._tell_durable(place, committed)
        if each.kind == "stream":
            self._begin_positions(place, is_behind, committed, checkpoint)
        return start

    def _tell_durable(self, place: Place, committed: Reached | None) -> None:
        # What is read again in silence is durable already; no answer of the broker will say so.
        if committed is not None and self.stage.has_checkpoints:
            self.stage.acknowledged(place.partition, place.topic, committed.offset)

    def _begin_positions(
        self, place: Place, is_behind: bool, committed: Reached | None, checkpoint: Checkpoint | None
    ) -> None:
        positions = self.positions[place.topic]
        positions.put(place.partition, checkpoint.positions[place.topic] if checkpoint else [])
        if committed is not None and not is_behind and checkpoint is None:
            positions.put(place.partition, committed.positions or [])

    def _broker_place(self, place: Place) -> TopicPartition:
        return TopicPartition(self.topic_of(place.topic), place.partition)
