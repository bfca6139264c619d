"""Our partitions on a real Kafka: where the Java-compatible partitioner of librdkafka puts the same keys."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message, Producer

from deploy.local.kafka import Kafka
from shared.stream import partitions
from tests.conformance.brokers import KafkaBroker

# Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2
FROM_KAFKA = [
    b"21",
    b"foobar",
    b"a-little-bit-long-string",
    b"a-little-bit-longer-string",
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
    b"abc",
]


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[KafkaBroker]:
    opened = KafkaBroker(kafka.bootstrap)
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [4, 7])
def test_keys_lie_where_the_java_partitioner_puts_them(kafka: Kafka, broker: KafkaBroker, count: int) -> None:
    draw, lies = random.Random(5), {}
    keys = [*FROM_KAFKA, *(draw.randbytes(draw.randint(1, 40)) for _ in range(300))]

    def written(error: KafkaError | None, message: Message) -> None:
        assert error is None
        lies[message.key()] = message.partition()

    topic = broker.topic(count)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2", "log_level": 2})
    for key in keys:
        producer.produce(topic, value=b"", key=key, on_delivery=written)
    assert producer.flush(20) == 0
    assert lies == dict(zip(keys, partitions(keys, count).tolist(), strict=True))
