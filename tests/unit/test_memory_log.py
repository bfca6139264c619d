"""The log in memory, by the suite that a real Kafka passes in tests/integration."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from shared.stream.memory import MemoryLog
from tests.conformance.brokers import MemoryBroker
from tests.conformance.log import LogConformance, Member


class TestMemoryLog(LogConformance):
    @pytest.fixture
    def broker(self) -> MemoryBroker:
        return MemoryBroker()


def test_an_expelled_member_loses_all_and_comes_back() -> None:
    log = MemoryLog({"t": 1})

    class Broker:
        def consumer(self, group: str, instance: int | None, on_commit: object) -> object:
            return log.consumer(group, str(instance))

    member = Member(Broker(), "g", ["t"], instance=0)
    member.poll()
    log.expel("g", "0")
    with pytest.raises(KafkaException):
        member.consumer.commit(offsets=[TopicPartition("t", 0, 0)], asynchronous=False)
    member.poll()
    assert [name for name, _ in member.events] == ["assign", "lost"]
    member.poll()
    assert [name for name, _ in member.events] == ["assign", "lost", "assign"]


def test_a_producer_that_broke_sends_nothing_more() -> None:
    log, answers = MemoryLog({"t": 1}), []

    def answered(error: KafkaError | None, message: Message) -> None:
        answers.append(error)

    producer = log.producer()
    for value in (b"a", b"b", b"c"):
        producer.produce("t", value=value, partition=0, on_delivery=answered)
    producer.limit = 1
    producer.poll()
    producer.is_broken = True
    producer.limit = None
    producer.poll()
    assert log.watermarks(("t", 0)) == (0, 1)
    assert [error is None for error in answers] == [True, False, False]
