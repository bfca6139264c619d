"""The topics of schemas/topics.toml on the broker: what differs, and making it so."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

import schemas
from shared.settings import Settings
from shared.stream.clients import DependencyError, admin, made

DAY_MS = 86_400_000
ANSWER_SECONDS = 30.0
LEADER_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a topic as it is and as it should be."""

    topic: str
    what: str
    found: str
    wanted: str


def wanted_config(name: str) -> dict[str, str]:
    """Return the broker's settings for a topic, by its name without prefix."""
    content = schemas.toml("topics")
    topic = content["topics"][name]
    days = topic["kept_days"]
    return {
        "cleanup.policy": "compact" if topic.get("compacted") else "delete",
        "retention.ms": str(days * DAY_MS) if days else "-1",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(content["defaults"]["max_message_bytes"]),
    }


def plan(settings: Settings) -> list[Change]:
    """Return what `apply` would change.

    Raises
    ------
    DependencyError
        If no broker answers.
    """
    client = admin(settings)
    existing = client.list_topics(timeout=ANSWER_SECONDS).topics
    changes = []
    for name in schemas.toml("topics")["topics"]:
        topic, count = settings.topic(name), schemas.partition_count(name)
        if topic not in existing:
            changes.append(Change(topic, "topic", "absent", f"{count} partitions"))
            continue
        found = len(existing[topic].partitions)
        if found != count:
            changes.append(Change(topic, "partitions", str(found), str(count)))
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = client.describe_configs([resource])[resource].result(ANSWER_SECONDS)
        wanted = wanted_config(name)
        changes += [
            Change(topic, key, str(entries[key].value), value)
            for key, value in wanted.items()
            if entries[key].value != value
        ]
    return changes


def apply(settings: Settings) -> list[Change]:
    """Make the topics that are absent and set what differs; return what was changed.

    Raises
    ------
    DependencyError
        If no broker answers, or a topic has another number of partitions: that cannot be changed
        without moving keys.
    """
    changes = plan(settings)
    for change in changes:
        if change.what == "partitions":
            raise DependencyError(
                f"topic {change.topic} has {change.found} partitions where schemas/topics.toml says "
                f"{change.wanted}; set that number there, or make a new topic version"
            )
    client = admin(settings)
    absent = [change.topic for change in changes if change.what == "topic"]
    if absent:
        _wait(client.create_topics([_new(topic, settings) for topic in absent]))
        _await_leaders(absent, settings)
    for change in changes:
        if change.what != "topic":
            entry = ConfigEntry(change.what, change.wanted, incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ResourceType.TOPIC, change.topic, incremental_configs=[entry])
            _wait(client.incremental_alter_configs([resource]))
    return changes


def _new(topic: str, settings: Settings) -> NewTopic:
    name = topic.removeprefix(settings.topic_prefix)
    replicas = schemas.toml("topics")["defaults"]["replication_factor"]
    return NewTopic(topic, schemas.partition_count(name), replicas, config=wanted_config(name))


def _await_leaders(names: Sequence[str], settings: Settings) -> None:
    """Wait until every partition answers: a broker tells of a new topic before it leads it."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while refused := _refused(names, settings):
        if time.monotonic() > deadline:
            raise DependencyError(f"{refused} after {ANSWER_SECONDS:g} seconds; look at the broker's log")
        time.sleep(LEADER_SECONDS)


def _refused(names: Sequence[str], settings: Settings) -> str:
    reader = made(Consumer, {"group.id": "millrace.topics", **settings.kafka})
    try:
        for topic in names:
            for number in range(schemas.partition_count(topic.removeprefix(settings.topic_prefix))):
                reader.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_SECONDS)
    except KafkaException as error:
        return f"{topic}: {error.args[0].str()}"
    finally:
        reader.close()
    return ""


def _wait(futures: Mapping[Any, Future[Any]]) -> None:
    for subject, future in futures.items():
        try:
            future.result(ANSWER_SECONDS)
        except KafkaException as error:
            raise DependencyError(f"{subject} was refused by the broker: {error.args[0].str()}") from error
