"""The consumer of the broker in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from shared.stream.memory_group import Group, Member, Where, refuse

if TYPE_CHECKING:
    from shared.stream.memory import MemoryLog

Rebalanced = Callable[["MemoryConsumer", list[TopicPartition]], None]
Committed = Callable[[KafkaError | None, list[TopicPartition]], None]


class MemoryConsumer(Member):
    """A consumer with ``enable.auto.commit=false`` and ``auto.offset.reset=error``."""

    def __init__(
        self, log: MemoryLog, group: Group, instance_id: str | None, on_commit: Committed | None
    ) -> None:
        super().__init__(instance_id)
        self._log, self._group = log, group
        self._on_commit = on_commit
        self._callbacks: tuple[Rebalanced | None, ...] = (None, None, None)
        self._following: dict[Where, int] = {}
        self._consumed: dict[Where, int] = {}
        self._turns: deque[Where] = deque()
        self._paused: set[Where] = set()
        self._balances = 0
        self._events: deque[Message] = deque()
        self._answers: deque[tuple[KafkaError | None, list[TopicPartition]]] = deque()

    def subscribe(
        self,
        topics: list[str],
        on_assign: Rebalanced | None = None,
        on_revoke: Rebalanced | None = None,
        on_lost: Rebalanced | None = None,
    ) -> None:
        """Join the group at the next poll."""
        self.topics = topics
        self._callbacks = (on_assign, on_revoke, on_lost or on_revoke)

    def assign(self, places: list[TopicPartition]) -> None:
        """Read these partitions: from their offset, or from the committed one when it is not given."""
        self._balances += 1
        self._turns = deque((place.topic, place.partition) for place in places)
        self._following, self._consumed, self._paused = {}, {}, set()
        for place in places:
            self.seek(place)

    def unassign(self) -> None:
        """Read nothing."""
        self.assign([])

    def assignment(self) -> list[TopicPartition]:
        """Return what is read."""
        return [TopicPartition(*where) for where in sorted(self._turns)]

    def seek(self, place: TopicPartition) -> None:
        """Read on from another offset."""
        where = (place.topic, place.partition)
        if where not in self._turns:
            raise KafkaException(KafkaError(KafkaError._STATE, "not assigned"))
        low, high = self._log.watermarks(where)
        offset = place.offset
        if offset == OFFSET_INVALID:
            offset = self._group.committed_at(where).offset
        self._following[where] = {OFFSET_BEGINNING: low, OFFSET_END: high}.get(offset, offset)

    def pause(self, places: list[TopicPartition]) -> None:
        """Read nothing from these until they are resumed."""
        self._paused.update((place.topic, place.partition) for place in places)

    def resume(self, places: list[TopicPartition]) -> None:
        """Read from these again."""
        self._paused.difference_update((place.topic, place.partition) for place in places)

    def poll(self, timeout: float = 0) -> Message | None:
        """Return the next record or error, after callbacks that are due; None when there is none."""
        self._answer_commits()
        self._follow_group()
        if self._events:
            return self._events.popleft()
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            message = self._fetched(self._turns[-1])
            if message is not None:
                return message
        return None

    def consume(self, num_messages: int = 1, timeout: float = 0) -> list[Message]:
        """Return up to so many records; those from before a rebalance in between are dropped."""
        found: list[Message] = []
        balances = self._balances
        while len(found) < num_messages and (message := self.poll()) is not None:
            found = found if balances == self._balances else []
            balances = self._balances
            found.append(message)
        return found if balances == self._balances else []

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """Return the offset after the last record returned, OFFSET_INVALID before the first."""
        wheres = [(place.topic, place.partition) for place in places]
        return [TopicPartition(*where, self._consumed.get(where, OFFSET_INVALID)) for where in wheres]

    def get_watermark_offsets(
        self, place: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        """Return the first offset kept and the next to be written."""
        return self._log.watermarks((place.topic, place.partition))

    def committed(self, places: list[TopicPartition], timeout: float = 0) -> list[TopicPartition]:
        """Return what the group committed, OFFSET_INVALID where nothing."""
        return [self._group.committed_at((place.topic, place.partition)) for place in places]

    def commit(self, offsets: list[TopicPartition], asynchronous: bool = True) -> list[TopicPartition] | None:
        """Commit offsets with metadata; an asynchronous answer goes to ``on_commit`` at the next poll.

        Raises
        ------
        KafkaException
            If not asynchronous and this consumer is no longer a member, or of an older generation.
        """
        error = self._group.commit(self, offsets)
        if asynchronous:
            self._answers.append((error, offsets))
            return None
        refuse(error)
        return offsets

    def memberid(self) -> str:
        """Return the id that the group gave; empty before joining."""
        return self.member_id

    def close(self) -> None:
        """Give up what is read and leave the group."""
        self._give_up(self._callbacks[1])
        self._group.leave(self)
        self.topics = ()

    def _follow_group(self) -> None:
        if not self.topics:
            return
        if self.member_id and not self._group.has(self):
            self._lose()
        elif not self.member_id:
            self._group.enter(self)
        elif self._group.awaits(self):
            self._give_up(self._callbacks[1])
            self._group.join(self)
        given = self._group.given(self) if self.member_id else None
        if given is not None:
            self._take([TopicPartition(*where) for where in given])

    def _take(self, given: list[TopicPartition]) -> None:
        self.unassign()
        if self._callbacks[0] is not None:
            self._callbacks[0](self, given)
        if not self._turns:  # the callback did not assign
            self.assign(given)

    def _give_up(self, called: Rebalanced | None) -> None:
        held = self.assignment()
        if held and called is not None:
            called(self, held)
        self.unassign()

    def _lose(self) -> None:
        if self._group.was_replaced(self):  # fatal: an error in place of callbacks
            self.unassign()
            self.topics = ()
            self._events.append(Message(error=KafkaError(KafkaError._FATAL)))
        else:
            self._give_up(self._callbacks[2])
            self.member_id = ""

    def _answer_commits(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            if self._on_commit is not None:
                self._on_commit(*answer)

    def _fetched(self, where: Where) -> Message | None:
        offset = self._following.get(where)
        low, high = self._log.watermarks(where)
        if offset is None or offset == high or where in self._paused:
            return None
        if not low <= offset < high:
            del self._following[where]
            error = KafkaError(KafkaError._AUTO_OFFSET_RESET, f"offset {offset} is out of range")
            return Message(topic=where[0], partition=where[1], offset=offset, error=error)
        self._following[where] = self._consumed[where] = offset + 1
        return self._log.read(where, offset)
