"""How far the services have come: the event time up to which the slowest of them has committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

import schemas
from services.replay.failure import ReplayError
from shared.features import definitions
from shared.settings import Settings
from shared.stream.clients import admin
from shared.stream.progress import committed_reach

GROUPS = {
    "ingest": ("transactions.raw.v1", "labels.raw.v1"),
    "features.customer": ("transactions.v1",),
    "features.terminal": ("features.customer.v1", "outcomes.terminal.v1"),
    "scoring": ("features.terminal.v1",),
    "labels": ("scores.v1", "labels.v1"),
}
"""The services that payments and labels pass before a feature can count them, with what they read."""
TRAINING = {"training": ("examples.v1",)}
"""The service that payments need not wait for, unless models are to come as early as in slow motion."""
ANSWER_SECONDS = 10.0
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Standing(NamedTuple):
    """A partition that a group reads: where it stands, where the log ends, and its event time."""

    group: str
    committed: int
    end: int
    event_time: int | None


def slowest(standings: Iterable[Standing]) -> tuple[int | None, str] | None:
    """Return the lowest event time among partitions that have records waiting, and whose it is.

    None where nothing waits; an event time of None where a group has committed nothing yet.

    Examples
    --------
    >>> slowest([Standing("a", 5, 5, 100), Standing("b", 3, 4, 200), Standing("c", 1, 9, 150)])
    (150, 'c')
    >>> slowest([Standing("a", 5, 5, 100)]) is None
    True
    """
    behind = [(each.event_time, each.group) for each in standings if each.committed < each.end]
    unknown = [each for each in behind if each[0] is None]
    if unknown:
        return unknown[0]
    return min(behind, default=None)


def places(settings: Settings, topics: Iterable[str]) -> list[TopicPartition]:
    """Return all partitions of topics."""
    return [
        TopicPartition(settings.topic(topic), partition)
        for topic in topics
        for partition in range(schemas.partition_count(topic))
    ]


class Pipeline:
    """Asks the broker where the groups stand.

    All commits are read before any end: a record that a group has passed on is in the next topic by then,
    so that no record is overlooked between two services.
    """

    def __init__(self, settings: Settings, groups: Mapping[str, tuple[str, ...]] = GROUPS) -> None:
        self._settings = settings
        self._admin: AdminClient = admin(settings)
        self._ahead = dict.fromkeys(TRAINING, definitions().label_lag)
        """By group, how far its event time is ahead: training tells when labels count, not when they came."""
        self._places = {group: places(settings, topics) for group, topics in groups.items()}
        self._consumers = {
            group: Consumer({**settings.kafka, "group.id": f"millrace.{group}", "enable.auto.commit": False})
            for group in groups
        }

    def slowest(self) -> tuple[int | None, str] | None:
        """Return what `slowest` says of now."""
        return slowest(self._standings())

    def close(self) -> None:
        """Close the clients."""
        for consumer in self._consumers.values():
            consumer.close()

    def _standings(self) -> list[Standing]:
        committed = {
            group: self._consumers[group].committed(places, ANSWER_SECONDS)
            for group, places in self._places.items()
        }
        try:
            ends = self._ends()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.FENCED_LEADER_EPOCH:
                raise
            self._admin.list_topics(timeout=ANSWER_SECONDS)  # else those from before a restart stay
            ends = self._ends()
        return [
            standing(group, place, ends[place.topic, place.partition], self._ahead.get(group, 0))
            for group, places in committed.items()
            for place in places
        ]

    def _ends(self) -> dict[tuple[str, int], int]:
        asked = [place for places in self._places.values() for place in places]
        answers = self._admin.list_offsets(dict.fromkeys(asked, LATEST))
        return {(each.topic, each.partition): answers[each].result(ANSWER_SECONDS).offset for each in asked}


def standing(group: str, place: TopicPartition, end: int, ahead: int) -> Standing:
    """Return where a group stands by its commit, whose event time is ahead by so much."""
    if place.error is not None:
        raise ReplayError(f"where millrace.{group} stands can't be read: {place.error.str()}")
    if place.offset < 0:
        return Standing(group, 0, end, None)
    reach = committed_reach(place.offset, place.metadata, needs_positions=False)
    time = None if reach.event_time is None else reach.event_time - ahead
    return Standing(group, place.offset, end, time)
