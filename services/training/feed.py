"""The topics that training follows, each from a place of its own choice."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, Message, TopicCollection, TopicPartition

import schemas
from shared.settings import Settings
from shared.stream.clients import DependencyError, admin, consumer
from shared.stream.progress import Reached

ANSWER_SECONDS = 30.0
GROUP = "millrace.training"
MOST_RECORDS = 5000


class Feed:
    """Follows the partitions of a topic; for one thread.

    What is committed tells others how far training has come; it starts from its own places.
    """

    def __init__(self, settings: Settings, topic: str, starts: Mapping[int, int]) -> None:
        self._name = settings.topic(topic)
        self._consumer = consumer(settings, GROUP, **{"enable.partition.eof": True})
        self._next = {number: starts.get(number, 0) for number in range(schemas.partition_count(topic))}
        self._told: dict[int, Reached] = {}
        self.at_end: set[int] = set()
        """Partitions that are read to the end that they had then."""
        places = [self._place(number) for number in self._next]
        for place in places:
            low, high = self._consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
            place.offset = self._next[place.partition] = min(max(place.offset, low), high)
        self._consumer.assign(places)

    def poll(self, seconds: float) -> list[Message]:
        """Return the next records, waiting for the first at most so long."""
        found = []
        for message in self._consumer.consume(MOST_RECORDS, seconds):
            error, partition = message.error(), int(message.partition() or 0)
            if error is None:
                found.append(message)
                self._next[partition] = int(message.offset() or 0) + 1
                self.at_end.discard(partition)
            elif error.code() == KafkaError._PARTITION_EOF:
                self.at_end.add(partition)
            else:
                raise KafkaException(error)
        return found

    @property
    def lag(self) -> int:
        """Number of records that the broker has told of and that are not read yet."""
        ends = [(self._consumer.get_watermark_offsets(self._place(n), cached=True)[1], n) for n in self._next]
        return sum(max(high - self._next[number], 0) for high, number in ends)

    def commit(self, clocks: Mapping[int, int]) -> None:
        """Tell that all that was read is done with, and the event time reached by partition."""
        told = {
            number: Reached(following, None, clocks.get(number)) for number, following in self._next.items()
        }
        offsets = [TopicPartition(self._name, n, each.offset, each.metadata()) for n, each in told.items()]
        if told != self._told:
            self._consumer.commit(offsets=offsets, asynchronous=False)
            self._told = told

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition, self._next[partition])


def topic_id(settings: Settings, topic: str) -> str:
    """Return the broker's id of a topic: another one after it was made anew.

    Raises
    ------
    DependencyError
        If no broker answers, or there is no such topic.
    """
    name = settings.topic(topic)
    client = admin(settings)  # held: its futures end with it
    found = client.describe_topics(TopicCollection([name]), request_timeout=ANSWER_SECONDS)
    try:
        return str(found[name].result(ANSWER_SECONDS).topic_id)
    except KafkaException as error:
        raise DependencyError(f"topic {name}: {error.args[0].str()}; run `millrace topics apply`") from error
