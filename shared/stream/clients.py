"""Kafka clients with the settings that positions rely on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from shared.settings import Settings, SettingsError

REACH_SECONDS = 10.0

log = logging.getLogger("librdkafka")
log.addHandler(logging.NullHandler())  # a command says in one sentence what the library says in many lines
log.addFilter(lambda record: "enable.gapless.guarantee" not in record.getMessage())  # meant, at each start
QUEUED_MESSAGES = 200_000
RECORD_BYTES = 1_000_000  # below what a topic takes, so that a record is refused before it is sent
GATHERED_BYTES = 1_000_000  # what comes in a few milliseconds of full speed: more need not gather
SESSION_MS = 10_000
SOCKET_MS = 5000  # why so short: docs/decisions/0008-connections-that-hear-nothing.md

CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "socket.timeout.ms": SOCKET_MS,
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "range",
    "session.timeout.ms": SESSION_MS,
    "heartbeat.interval.ms": 2000,
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 1,  # a request costs as much as a batch: none for what would only wait here
    "fetch.queue.backoff.ms": 8,  # one second by default, in which a stage empties its queue and waits
}
# For a consumer of many partitions. With the two above, one whose records wait here is left out of the next
# fetch; where the others have nothing, that fetch waits, and so does the partition.
AS_THEY_COME = {"queued.min.messages": 100_000}

PRODUCER = {
    "socket.timeout.ms": SOCKET_MS,
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "message.timeout.ms": 0,  # the one infinite timeout: giving up on a record would lose it
    "linger.ms": 0,  # the stages take what has gathered already
    "message.max.bytes": RECORD_BYTES,
    "queue.buffering.max.messages": QUEUED_MESSAGES,
    "queue.buffering.max.kbytes": 1_048_576,
}


class DependencyError(Exception):
    """A broker, cache or store cannot be reached; one sentence that names the setting."""


Client = TypeVar("Client", Consumer, Producer, AdminClient)


def made(kind: type[Client], configuration: Mapping[str, Any]) -> Client:
    """Return a client of librdkafka that logs where we do.

    Raises
    ------
    SettingsError
        If librdkafka does not take the configuration.
    """
    whole: dict[str, Any] = {**configuration, "logger": log}
    try:
        return kind(whole)
    except (KafkaException, ValueError, TypeError) as error:
        says = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    raise SettingsError(f"section kafka of the settings is not taken by librdkafka: {says}")


def consumer(settings: Settings, group: str, **overrides: Any) -> Consumer:
    """Return a consumer of a group, without automatic commits and with a stable member id."""
    identity = {"group.id": group, "group.instance.id": f"{group}-{settings.instance}"}
    return made(Consumer, {**CONSUMER, **identity, **overrides, **settings.kafka})


def gathered(milliseconds: int) -> dict[str, int]:
    """Return settings of a consumer for whom the broker lets records gather before it answers a fetch.

    A batch costs as much as fifty records, and a fetch as much as a batch. Records that gather here,
    after the fetch, would have waited for the next fetch before.
    """
    return {**AS_THEY_COME, "fetch.wait.max.ms": milliseconds, "fetch.min.bytes": GATHERED_BYTES}


def producer(settings: Settings, on_error: Callable[[KafkaError], None] | None = None) -> Producer:
    """Return a producer that leaves no gap: a record that cannot be delivered ends it."""
    callbacks = {"error_cb": on_error} if on_error else {}
    return made(Producer, {**PRODUCER, **callbacks, **settings.kafka})


def admin(settings: Settings) -> AdminClient:
    """Return an administration client of a broker that answers.

    Raises
    ------
    DependencyError
        If no broker answers within ten seconds.
    """
    client = made(AdminClient, settings.kafka)
    try:
        client.list_topics(timeout=REACH_SECONDS)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    return client


def unreachable(settings: Settings, error: KafkaException) -> DependencyError:
    """Return the error that says where the broker was looked for and which setting says so."""
    servers = settings.kafka.get("bootstrap.servers", "nowhere")
    return DependencyError(
        f"Kafka can't be reached at {servers} ({error.args[0].str()}); "
        "start it, or set kafka.bootstrap.servers (MILLRACE_KAFKA__BOOTSTRAP_SERVERS)"
    )


def read_topic(settings: Settings, name: str, start: dict[int, int] | None = None) -> Iterator[Message]:
    """Yield the records of a topic up to the ends that its partitions have now.

    Parameters
    ----------
    name
        The topic's name without prefix.
    start
        First offset by partition, counted from its end where negative; the start of the log where absent.

    Raises
    ------
    DependencyError
        If the broker cannot be reached or has no such topic.
    """
    reader = _reader(settings)
    try:
        ends = _assign(reader, settings, settings.topic(name), start or {})
        while ends:
            for message in reader.consume(2000, 0.2):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
            ends = {p: end for p, end in ends.items() if _next(reader, settings.topic(name), p) < end}
    finally:
        reader.close()


def _reader(settings: Settings) -> Consumer:
    overrides = {"group.id": "millrace.reader", "enable.auto.commit": False, "enable.partition.eof": True}
    return made(Consumer, {**CONSUMER, **overrides, **settings.kafka})


def _assign(reader: Consumer, settings: Settings, topic: str, start: dict[int, int]) -> dict[int, int]:
    try:
        found = reader.list_topics(topic, timeout=REACH_SECONDS).topics[topic]
    except KafkaException as error:
        raise unreachable(settings, error) from error
    if found.error is not None:
        raise DependencyError(f"there is no topic {topic}; run `millrace topics apply`")
    ends, places = {}, []
    for partition in found.partitions:
        low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=REACH_SECONDS)
        wanted = start.get(partition, low)
        first = max(wanted if wanted >= 0 else high + wanted, low)
        if first < high:
            ends[partition] = high
            places.append(TopicPartition(topic, partition, first))
    reader.assign(places)
    return ends


def _next(reader: Consumer, topic: str, partition: int) -> int:
    position: int = reader.position([TopicPartition(topic, partition)])[0].offset
    return position
