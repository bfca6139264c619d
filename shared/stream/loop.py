"""The run loop: polls, drops repeats, lets the stage work, sends, commits and checkpoints.

All rules of exactly-once by position live in this package; a stage sees batches only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

import schemas
from shared import wire
from shared.settings import Settings
from shared.stream import batches
from shared.stream.assignment import Assignment
from shared.stream.clients import QUEUED_MESSAGES, RECORD_BYTES
from shared.stream.dead_letters import DeadLetters
from shared.stream.marker import CrashMarker
from shared.stream.meters import Meters
from shared.stream.progress import Place, Reached, Ticket
from shared.stream.records import Batch, Outgoing, Stage
from shared.stream.sending import parts_of
from shared.stream.snapshots import Snapshots

WAIT_SECONDS = 0.05
# An upstream stage sends a batch partition by partition: looked for so often, or until each has come.
LOOKS, LOOK_SECONDS = 4, 0.001
LEAVE_SECONDS = 8.0
LOST_EXIT = 70
ROOM = QUEUED_MESSAGES // 2
WATCHED_BATCH = 50  # records of a poll where one ended the process: few, since all are then taken singly


@dataclass(slots=True)
class Loop:
    """One service at work on the partitions that its group gives it."""

    stage: Stage
    settings: Settings
    consumer: Consumer
    producer: Producer
    assignment: Assignment
    marker: CrashMarker
    letters: DeadLetters
    meters: Meters
    snapshots: Snapshots
    clock: Callable[[], float] = time.monotonic
    _commit_due: float = 0.0
    _rebalances: int = 0

    def subscribe(self) -> None:
        """Join the group."""
        topics = [self.settings.topic(each.topic) for each in self.stage.inputs]
        self.consumer.subscribe(
            topics, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost
        )

    def step(self) -> None:
        """Take what one poll brings, then commit and checkpoint what is due."""
        self.producer.poll(0)
        messages = self._poll()
        if messages:
            self._take(messages)
        else:
            self._send(self.stage.idle(), {})
        now = self.clock()
        if now >= self._commit_due:
            self._commit_due = now + self.settings.stream.commit_ms / 1000
            self.commit(is_asynchronous=True)
        self.snapshots.step(now)

    def stop(self) -> None:
        """Leave in order: outputs durable, offsets committed, state written; at most ten seconds."""
        self.producer.flush(LEAVE_SECONDS)
        self._let_go(self.assignment.held.partitions)
        self.marker.clear()
        self.stage.close()
        self.snapshots.close()
        self.consumer.close()

    def on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Take partitions over, each from its own start."""
        self._rebalances += 1
        starts = self.assignment.take(place.partition for place in given)
        consumer.assign(
            [TopicPartition(self.settings.topic(p.topic), p.partition, at) for p, at in starts.items()]
        )
        self.marker.started(starts)
        self._hold_streams()
        self.meters.assigned(len(starts))

    def on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """Let partitions go once their outputs are durable."""
        self._rebalances += 1
        gone = {place.partition for place in taken} & self.assignment.held.partitions
        if gone:
            self.producer.flush(LEAVE_SECONDS)
            self._let_go(gone)
        self.meters.assigned(0)

    def on_lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """End at once: another instance holds these partitions, and nothing of ours may follow."""
        os._exit(LOST_EXIT)

    def commit(self, is_asynchronous: bool) -> None:
        """Commit what became durable, offsets and positions together, and tell the stage."""
        held = self.assignment.held
        changed = self.assignment.progress.take_changed()
        ahead = {
            place: reached
            for place, reached in changed.items()
            if place not in held.committed or held.committed[place].offset < reached.offset
        }
        if ahead:
            offsets = [self._commit_of(place, reached) for place, reached in ahead.items()]
            if is_asynchronous:
                self.consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self.consumer.commit(offsets=offsets, asynchronous=False)
            held.committed.update(ahead)
            self.marker.committed({place: reached.offset for place, reached in ahead.items()})
        for place, reached in changed.items():
            self.stage.acknowledged(place.partition, place.topic, reached.offset)
        self.meters.lag(self.consumer, self.settings, held.following)

    def _commit_of(self, place: Place, reached: Reached) -> TopicPartition:
        topic = self.settings.topic(place.topic)
        return TopicPartition(topic, place.partition, reached.offset, reached.metadata())

    def _poll(self) -> list[Message]:
        first, waits = self.consumer.poll(0), [0.0]
        if first is None:
            first, waits = self.consumer.poll(WAIT_SECONDS), [LOOK_SECONDS] * LOOKS
        if first is None:
            return []
        most = WATCHED_BATCH if self.marker.is_watchful else self.settings.stream.max_batch
        found, held = [first], self.assignment.held
        for wait in waits:
            before = self._rebalances
            more = self.consumer.consume(most - len(found), wait)
            if self._rebalances != before:
                # What was polled before it is read again from what was committed.
                return [each for each in more if each.error() or each.partition() in held.partitions]
            found += more
            if len(found) == most or len({each.partition() for each in found}) == len(held.partitions):
                break
        return found

    def _take(self, messages: Sequence[Message]) -> None:
        for batch in batches.batches(messages, self.stage.inputs, self.settings.topic):
            if self.marker.needs_care(batches.spans(batch)):
                for single in batches.singles(batch):
                    self._take_with_care(single)
                continue
            self._take_batch(batch)
            if self.marker.is_watchful:
                self.producer.flush(LEAVE_SECONDS)  # what the broker refuses of it counts against it
        if self.assignment.held.facts_due:
            self._hold_streams()

    def _take_with_care(self, single: Batch) -> None:
        place, offset = Place(single.topic, int(single.partitions[0])), int(single.offsets[0])
        if (place, offset) in self.marker.culprits:
            self._set_aside(single, place, offset)
            return
        self.marker.taking(place, offset)
        self._take_batch(single)
        self.producer.flush(LEAVE_SECONDS)  # an output that the broker refuses counts against its record
        self.marker.taken()

    def _set_aside(self, single: Batch, place: Place, offset: int) -> None:
        at = (place.partition, offset, int(single.accepted_ms[0]))
        topic = self.settings.topic(place.topic)
        detail = "the service ended each time it took this record"
        key, value = self.letters.letter(
            topic, single.keys[0], single.values[0], at, "crashed_service", detail
        )
        reached = self._reached(single, {})
        self._send([Outgoing("dead-letters.v1", [key], [value])], reached)

    def _take_batch(self, batch: Batch) -> None:
        held = self.assignment.held
        if not held.silent:
            self._work(batch, is_silent=False)
            return
        limits = {
            place.partition: held.committed[place].offset
            for place in held.silent
            if place.topic == batch.topic
        }
        pairs = zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True)
        is_silent = np.array([offset < limits.get(partition, 0) for partition, offset in pairs])
        if is_silent.any():
            self._work(batches.select(batch, is_silent), is_silent=True)
        self._end_silence(batch)
        if not is_silent.all():
            self._work(batches.select(batch, ~is_silent), is_silent=False)

    def _end_silence(self, batch: Batch) -> None:
        held = self.assignment.held
        for place, following in batches.reach(batch).items():
            if place in held.silent and following >= held.committed[place].offset:
                held.silent.discard(place)
                if place.topic in self.assignment.positions:
                    committed = held.committed[place].positions or []
                    self.assignment.positions[place.topic].raise_to(place.partition, committed)

    def _work(self, batch: Batch, is_silent: bool) -> None:
        began = time.perf_counter()
        fresh = self._first_copies(batch)
        outgoing = self.stage.process(fresh) if len(fresh) else []
        reached = self._reached(batch, self._times(batch, outgoing))
        if not is_silent or self.stage.writes_facts:
            self._send(outgoing, reached)
        self.meters.worked(batch.topic, len(fresh), len(batch) - len(fresh), time.perf_counter() - began)

    def _first_copies(self, batch: Batch) -> Batch:
        positions = self.assignment.positions.get(batch.topic)
        if positions is None:
            return batch
        upstream, offsets = wire.sources(batch.joined)
        return batches.select(batch, positions.accept(batch.partitions, upstream, offsets))

    def _times(self, batch: Batch, outgoing: Sequence[Outgoing]) -> dict[int, int]:
        if self._kind(batch.topic) == "raw":
            return batches.output_times(outgoing, schemas.streams())
        return batches.newest_times(batch.event_times, batch.partitions)

    def _kind(self, topic: str) -> str:
        return next(each.kind for each in self.stage.inputs if each.topic == topic)

    def _reached(self, batch: Batch, times: dict[int, int]) -> dict[Place, Reached]:
        following, positions = self.assignment.held.following, self.assignment.positions.get(batch.topic)
        result = {}
        for place, offset in batches.reach(batch).items():
            reached = batches.later(following.get(place), offset, times.get(place.partition))
            following[place] = reached
            accepted = positions.of(place.partition) if positions else None
            carried = self.stage.carried(place.partition)
            result[place] = Reached(offset, accepted, reached.event_time, carried)
        return result

    def _send(self, outgoing: Sequence[Outgoing], reached: dict[Place, Reached]) -> None:
        # All are made before the first is sent: where one is too long, none may be out that came after it.
        most_bytes = int(self.settings.kafka.get("message.max.bytes", RECORD_BYTES))
        parts = [part for output in outgoing for part in parts_of(output, most_bytes)]
        if not parts and not reached:
            return
        ticket = self.assignment.progress.open(reached, len(parts))
        for topic, partition, messages in parts:
            messages[-1]["callback"] = self._answer(ticket)
            self._make_room()
            sent = self.producer.produce_batch(self.settings.topic(topic), messages, partition=partition)
            if sent != len(messages):
                raise RuntimeError(
                    f"{len(messages) - sent} of {len(messages)} records were refused by the producer"
                )

    def _answer(self, ticket: Ticket) -> object:
        def answered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                raise KafkaException(error)
            self.assignment.progress.answered(ticket)

        return answered

    def _make_room(self) -> None:
        while len(self.producer) > ROOM:
            self.producer.poll(WAIT_SECONDS)

    def _hold_streams(self) -> None:
        held = self.assignment.held
        for place, end in list(held.facts_due.items()):
            if held.following[place].offset >= end:
                del held.facts_due[place]
        streams = [
            TopicPartition(self.settings.topic(place.topic), place.partition)
            for place in held.following
            if self._kind(place.topic) != "facts"
        ]
        if held.facts_due:
            self.consumer.pause(streams)
        else:
            self.consumer.resume(streams)

    def _let_go(self, gone: set[int]) -> None:
        if not self.assignment.progress.is_settled:
            raise RuntimeError(f"outputs were not acknowledged within {LEAVE_SECONDS} seconds")
        self.commit(is_asynchronous=False)
        for partition in gone:
            self.snapshots.last(partition)
            self.assignment.release(partition)
