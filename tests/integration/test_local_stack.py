"""Kafka, Redis and the supervisor of deploy/local."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

import schemas
from deploy.local.kafka import Kafka
from deploy.local.redis import Redis
from shared.settings import Settings
from shared.stream.clients import admin
from tests.waiting import wait_for


def test_a_broker_keeps_records_and_its_address_over_a_kill(tmp_path: Path) -> None:
    with Kafka(tmp_path) as broker:
        address = broker.bootstrap
        settings = Settings.load({"MILLRACE_KAFKA__BOOTSTRAP_SERVERS": address}, tmp_path / "none")
        _make_topic(settings, "kept")
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        producer.produce("kept", b"before", partition=0)
        assert producer.flush(20) == 0
        broker.kill()
        assert broker.start() == address
        producer.produce("kept", b"after", partition=0)
        assert producer.flush(20) == 0
        assert _values(address, "kept", 2) == [b"before", b"after"]
        child = broker.child
    assert child.poll() is not None


def test_a_test_has_all_topics_of_its_own(settings: Settings) -> None:
    found = admin(settings).list_topics(timeout=10).topics
    for name in schemas.toml("topics")["topics"]:
        assert len(found[settings.topic(name)].partitions) == schemas.partition_count(name)


def test_redis_starts_again_empty_on_the_same_port(tmp_path: Path) -> None:
    from redis import Redis as Client

    with Redis(tmp_path) as server:
        url = server.url
        with Client.from_url(url) as client:
            client.set("a", 1)
        server.kill()
        assert server.start() == url
        with Client.from_url(url) as client:
            assert client.dbsize() == 0


def _make_topic(settings: Settings, name: str) -> None:
    from confluent_kafka.admin import NewTopic

    client = admin(settings)
    for made in client.create_topics([NewTopic(name, 1, 1)]).values():
        made.result(20)


def _values(address: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes | None] = []

    def has_all() -> bool:
        values.extend(message.value() for message in consumer.consume(count, 0.1) if message.error() is None)
        return len(values) >= count

    wait_for(has_all, what=f"{count} records in {topic}")
    consumer.close()
    return values
