"""A consumer group of the broker in memory: members, generations, ranges, commits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

Where = tuple[str, int]


class Member:
    """What a group knows of a consumer."""

    def __init__(self, instance_id: str | None) -> None:
        self.instance_id = instance_id
        self.topics: Sequence[str] = ()
        self.member_id = ""
        self.generation = -1


class Group:
    """The classic protocol with eager range assignment.

    A balance ends once every member has joined it; only then does the generation change, so that a
    member may still commit while it lets its partitions go.
    """

    def __init__(self, name: str, topics: dict[str, int]) -> None:
        self._name = name
        self._topics = topics
        self._generation = 0
        self._members: dict[str, Member] = {}
        self._joined: set[str] = set()
        self._subscribed: dict[str, Sequence[str]] = {}
        self._is_balancing = False
        self._given: dict[str, list[Where]] = {}
        self._replaced: set[str] = set()
        self._committed: dict[Where, tuple[int, str | None]] = {}
        self._numbers = itertools.count(1)

    def has(self, member: Member) -> bool:
        """Tell whether the member still belongs to the group."""
        return member.member_id in self._members

    def was_replaced(self, member: Member) -> bool:
        """Tell whether another consumer has taken the member's instance id."""
        return member.member_id in self._replaced

    def enter(self, member: Member) -> None:
        """Take a consumer in: in the place of the one with its instance id, or by a balance."""
        member.member_id = f"{self._name}-{next(self._numbers):04d}"
        member.generation = -1
        before = self._by_instance(member.instance_id)
        self._members[member.member_id] = member
        self._subscribed[member.member_id] = member.topics
        if before is None:
            if not self._is_balancing:
                self._balance()
            self.join(member)
            return
        del self._members[before]
        self._replaced.add(before)
        self._given[member.member_id] = self._given.pop(before, [])
        if self._is_balancing:
            self._joined.discard(before)
            self.join(member)

    def awaits(self, member: Member) -> bool:
        """Tell whether a balance waits for the member."""
        return self._is_balancing and member.member_id not in self._joined

    def join(self, member: Member) -> None:
        """Take a member into the balance."""
        self._joined.add(member.member_id)
        self._settle()

    def given(self, member: Member) -> list[Where] | None:
        """Return what the member is to read from now on; None when nothing changed."""
        if self._is_balancing or member.generation == self._generation:
            return None
        member.generation = self._generation
        return self._given[member.member_id]

    def leave(self, member: Member) -> None:
        """Let a member go; one with an instance id keeps its place until its session ends."""
        if member.instance_id is None and self.has(member):
            self._remove(member.member_id)

    def expel(self, instance_or_member_id: str) -> None:
        """End the session of a member."""
        self._remove(self._by_instance(instance_or_member_id) or instance_or_member_id)

    def commit(self, member: Member, offsets: Sequence[TopicPartition]) -> KafkaError | None:
        """Keep offsets with their metadata; return why not, if the member is stale."""
        error = self._objection(member)
        if error is None:
            for place in offsets:
                self._committed[place.topic, place.partition] = (place.offset, place.metadata)
        return error

    def committed_at(self, where: Where) -> TopicPartition:
        """Return the committed offset with its metadata, OFFSET_INVALID when there is none."""
        offset, metadata = self._committed.get(where, (OFFSET_INVALID, None))
        return (
            TopicPartition(*where, offset) if metadata is None else TopicPartition(*where, offset, metadata)
        )

    def _objection(self, member: Member) -> KafkaError | None:
        if not member.member_id and not self._members:
            return None  # a consumer that assigns itself
        if self.was_replaced(member):
            return KafkaError(KafkaError.FENCED_INSTANCE_ID)
        if not self.has(member):
            return KafkaError(KafkaError.UNKNOWN_MEMBER_ID)
        if member.generation != self._generation:
            return KafkaError(KafkaError.ILLEGAL_GENERATION)
        return None

    def _by_instance(self, instance_id: str | None) -> str | None:
        found = [each for each in self._members.values() if each.instance_id == instance_id]
        return found[0].member_id if found and instance_id is not None else None

    def _remove(self, member_id: str) -> None:
        del self._members[member_id]
        self._given.pop(member_id, None)
        if self._is_balancing:
            self._joined.discard(member_id)
            self._settle()
        else:
            self._balance()

    def _balance(self) -> None:
        self._is_balancing = True
        self._joined.clear()

    def _settle(self) -> None:
        if not self._is_balancing or self._joined < set(self._members):
            return
        self._is_balancing = False
        self._generation += 1
        self._given = {member_id: [] for member_id in self._members}
        for topic in sorted(self._topics):
            self._give(topic)

    def _give(self, topic: str) -> None:
        readers = [each for name, each in self._members.items() if topic in self._subscribed[name]]
        readers.sort(key=lambda each: each.instance_id or each.member_id)
        partitions = iter(range(self._topics[topic]))
        for rank, reader in enumerate(readers):
            share, rest = divmod(self._topics[topic], len(readers))
            width = share + (rank < rest)
            self._given[reader.member_id] += [(topic, at) for at in itertools.islice(partitions, width)]


def refuse(error: KafkaError | None) -> None:
    """Raise KafkaException if there is an error."""
    if error is not None:
        raise KafkaException(error)
