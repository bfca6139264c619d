"""What a reader outside makes of the stream's topics: the position rule, written a second time.

It parses the bytes by hand; of the services' code it shares the hash of keys.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

import schemas
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import CONSUMER, log
from tests.waiting import wait_for

STREAM = ("transactions.v1", "features.customer.v1", "features.terminal.v1", "scores.v1", "alerts.v1")
ORDERED = ("transactions.v1", "features.customer.v1")
"""Topics where each partition has a customer's payments in the order in which they were sent."""
_FRONT = struct.Struct(">xIiq")  # magic byte and schema id, then source: partition and offset
DIGEST_BYTES = 16
WAIT_SECONDS = 0.1
RECORDS_AT_ONCE = 2000
ANSWER_SECONDS, CATCH_UP_SECONDS = 10.0, 60.0
AWAY = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE)


class Parsed(NamedTuple):
    """The parts of a record that the verdict needs; ``digest`` is of all bytes but the source."""

    upstream: int
    offset: int
    name: str
    digest: bytes


def parsed(value: bytes) -> Parsed:
    """Return the parts of a record of a stream topic."""
    _, upstream, offset = _FRONT.unpack_from(value)
    length, shift, at = 0, 0, _FRONT.size
    while True:  # the length of a text: a zigzag varint
        byte = value[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    name = value[at : at + (length >> 1)].decode()
    digest = hashlib.blake2b(value[:5] + value[_FRONT.size :], digest_size=DIGEST_BYTES).digest()
    return Parsed(upstream, offset, name, digest)


class Sent(NamedTuple):
    """Where a payment stands among those sent, its customer and its event time."""

    number: int
    customer: bytes
    time: int


@dataclass(slots=True)
class Reading:
    """One topic as it was read, record by record.

    ``misplaced`` counts records in another partition than their key's, ``inverted`` a customer's payments
    that came after a later one.
    """

    topic: str
    sent: Mapping[str, Sent]
    accepted: dict[str, bytes] = field(default_factory=dict)
    repeats: int = 0
    doubled: int = 0
    inverted: int = 0
    misplaced: int = 0
    _highest: dict[tuple[int, int], int] = field(default_factory=dict)
    _last: dict[tuple[int, bytes], int] = field(default_factory=dict)

    def take(self, partition: int, key: bytes, value: bytes) -> None:
        """Take the next record of a partition; a torn one, which no service can have written, is left."""
        if len(value) < _FRONT.size:
            return
        self.misplaced += int(partitions([key], schemas.partition_count(self.topic))[0]) != partition
        record = parsed(value)
        place = partition, record.upstream
        if record.offset <= self._highest.get(place, -1):
            self.repeats += 1
            return
        self._highest[place] = record.offset
        self.doubled += record.name in self.accepted
        self.accepted[record.name] = record.digest
        if self.topic in ORDERED and record.name in self.sent:
            number, customer, _ = self.sent[record.name]
            self.inverted += number < self._last.get((partition, customer), -1)
            self._last[partition, customer] = number


class Reader:
    """Follows the stream's topics from their start in a thread, through every fault."""

    def __init__(self, settings: Settings, sent: Mapping[str, Sent]) -> None:
        self.readings = {name: Reading(name, sent) for name in STREAM}
        self._names = {settings.topic(name): name for name in STREAM}
        overrides = {"group.id": "millrace.faults", "logger": log}
        self._configuration = {**CONSUMER, **overrides, **settings.kafka}
        self._consumer = Consumer(self._configuration)
        self._following: dict[tuple[str, int], int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to read."""
        self._consumer.assign(self._places())
        self._thread.start()

    def has(self, topic: str, name: str) -> bool:
        """Tell whether a payment was read in a topic."""
        if self._failure is not None:
            raise self._failure
        return name in self.readings[topic].accepted

    def repeats(self) -> Counter[str]:
        """Return how many repeats were skipped in each topic so far."""
        return Counter({name: reading.repeats for name, reading in self.readings.items()})

    def stop(self) -> None:
        """End the thread once it has read all there is."""
        ends = self._ends()
        wait_for(lambda: self._has_read(ends), CATCH_UP_SECONDS, "the reader at the end of all topics")
        self._stopping.set()
        self._thread.join()
        self._consumer.close()
        if self._failure is not None:
            raise self._failure

    def _ends(self) -> dict[tuple[str, int], int]:
        """Return the ends of all partitions; of another client, since ours serves one thread."""
        client = Consumer(self._configuration)
        ends = {
            (place.topic, place.partition): client.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
            for place in self._places()
        }
        client.close()
        return ends

    def _has_read(self, ends: Mapping[tuple[str, int], int]) -> bool:
        if self._failure is not None:
            raise self._failure
        return all(self._following.get(place, 0) >= end for place, end in ends.items())

    def _places(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic, partition, 0)
            for topic, name in self._names.items()
            for partition in range(schemas.partition_count(name))
        ]

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for message in self._consumer.consume(RECORDS_AT_ONCE, WAIT_SECONDS):
                    self._take(message)
        except BaseException as error:
            self._failure = error
            raise

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is None:
            topic = str(message.topic())
            reading = self.readings[self._names[topic]]
            reading.take(message.partition() or 0, message.key() or b"", message.value() or b"")
            self._following[topic, message.partition() or 0] = (message.offset() or 0) + 1
        elif error.code() not in AWAY:
            raise KafkaException(error)
