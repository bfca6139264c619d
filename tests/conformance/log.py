"""What the run loop relies on, asked of the log in memory and of a real Kafka alike.

A test class of its own inherits `LogConformance` and has a fixture `broker`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from tests.waiting import wait_for

POLL_SECONDS = 0.05


class Member:
    """A consumer with what its callbacks were given."""

    def __init__(self, broker: Any, group: str, topics: Sequence[str], instance: int | None = None) -> None:
        self.events: list[tuple[str, list[tuple[str, int]]]] = []
        self.committed: list[KafkaError | None] = []
        self.messages: list[Message] = []
        self.errors: list[KafkaError] = []
        self.consumer = broker.consumer(group, instance, lambda error, _: self.committed.append(error))
        self.consumer.subscribe(
            list(topics), on_assign=self._assigned, on_revoke=self._note("revoke"), on_lost=self._note("lost")
        )

    def poll(self) -> None:
        message = self.consumer.poll(POLL_SECONDS)
        if message is None:
            return
        if message.error() is not None:
            self.errors.append(message.error())
        else:
            self.messages.append(message)

    @property
    def values(self) -> list[bytes | None]:
        return [message.value() for message in self.messages]

    def _assigned(self, consumer: Any, given: list[TopicPartition]) -> None:
        self.events.append(("assign", places(given)))
        known = consumer.committed(given, 10.0)
        starts = [TopicPartition(each.topic, each.partition, max(each.offset, 0)) for each in known]
        consumer.assign(starts)

    def _note(self, name: str) -> Callable[[Any, list[TopicPartition]], None]:
        return lambda _, taken: self.events.append((name, places(taken)))


def places(given: Sequence[TopicPartition]) -> list[tuple[str, int]]:
    return sorted((place.topic, place.partition) for place in given)


def poll_until(members: Sequence[Member], condition: Callable[[], Any], what: str) -> None:
    def polled() -> Any:
        for member in members:
            member.poll()
        return condition()

    wait_for(polled, what=what)


def produce(broker: Any, topic: str, values: Sequence[bytes], partition: int = 0) -> list[Message]:
    answers: list[Message] = []

    def answered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        answers.append(message)

    producer = broker.producer()
    for value in values:
        producer.produce(topic, value=value, key=b"key", partition=partition, on_delivery=answered)
    assert producer.flush(20) == 0
    return answers


def assigned_reader(broker: Any, places_from: Sequence[TopicPartition]) -> Any:
    consumer = broker.consumer("reader")
    consumer.assign(list(places_from))
    return consumer


def read(consumer: Any, count: int) -> list[Message]:
    found: list[Message] = []

    def enough() -> bool:
        found.extend(consumer.consume(count - len(found), POLL_SECONDS))
        return len(found) >= count

    wait_for(enough, what=f"{count} records")
    return found


class LogConformance:
    def test_a_partition_keeps_the_order_and_offsets_count_from_zero(self, broker: Any) -> None:
        topic = broker.topic(2)
        produce(broker, topic, [b"a", b"b", b"c"], 0)
        produce(broker, topic, [b"x", b"y"], 1)
        reader = assigned_reader(broker, [TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
        found = read(reader, 5)
        for partition, values in ((0, [b"a", b"b", b"c"]), (1, [b"x", b"y"])):
            rows = [each for each in found if each.partition() == partition]
            assert [each.value() for each in rows] == values
            assert [each.offset() for each in rows] == list(range(len(values)))
            assert {(each.key(), each.topic()) for each in rows} == {(b"key", topic)}

    def test_the_broker_sets_the_time_and_it_never_falls(self, broker: Any) -> None:
        topic = broker.topic(1)
        produce(broker, topic, [b"a", b"b", b"c"])
        stamps = [
            each.timestamp() for each in read(assigned_reader(broker, [TopicPartition(topic, 0, 0)]), 3)
        ]
        assert {kind for kind, _ in stamps} == {TIMESTAMP_LOG_APPEND_TIME}
        assert [at for _, at in stamps] == sorted(at for _, at in stamps)

    def test_deliveries_are_told_in_order_with_their_offsets_and_only_when_polled(self, broker: Any) -> None:
        topic, told = broker.topic(1), []
        producer = broker.producer()
        for value in (b"a", b"b", b"c"):
            producer.produce(
                topic, value=value, partition=0, on_delivery=lambda _, m: told.append((m.value(), m.offset()))
            )
        assert told == []
        assert producer.flush(20) == 0
        assert told == [(b"a", 0), (b"b", 1), (b"c", 2)]

    def test_a_batch_goes_to_its_partition_and_calls_back_where_asked(self, broker: Any) -> None:
        topic, told = broker.topic(4), []
        producer = broker.producer()
        for partition in range(4):
            rows: list[dict[str, Any]] = [{"key": b"same", "value": b"%d" % row} for row in range(3)]
            rows[2]["callback"] = lambda error, m: told.append((error, m.partition(), m.offset()))
            assert producer.produce_batch(topic, rows, partition=partition) == 3
        assert producer.flush(20) == 0
        assert sorted(told, key=str) == [(None, partition, 2) for partition in range(4)]
        found = read(assigned_reader(broker, [TopicPartition(topic, 3, 0)]), 3)
        assert [each.value() for each in found] == [b"0", b"1", b"2"]

    @pytest.mark.parametrize("partition", [0, 5], ids=["no such topic", "no such partition"])
    def test_a_record_for_nowhere_ends_as_a_delivery_error(self, broker: Any, partition: int) -> None:
        topic, told = broker.topic(1) if partition else "there-is-no-such-topic", []
        producer = broker.producer()
        try:
            producer.produce(
                topic, value=b"a", partition=partition, on_delivery=lambda error, _: told.append(error)
            )
            wait_for(lambda: producer.poll(POLL_SECONDS) or told, what="a delivery error")
        except KafkaException as error:
            told.append(error.args[0])
        expected = KafkaError._UNKNOWN_PARTITION if partition else KafkaError.UNKNOWN_TOPIC_OR_PART
        assert [error.code() for error in told] == [expected]

    def test_end_offsets_move_with_the_log(self, broker: Any) -> None:
        topic = broker.topic(1)
        reader = broker.consumer("reader")
        place = TopicPartition(topic, 0)
        assert reader.get_watermark_offsets(place, timeout=10) == (0, 0)
        produce(broker, topic, [b"a", b"b"])
        assert reader.get_watermark_offsets(place, timeout=10) == (0, 2)

    def test_reading_goes_on_from_where_it_is_sought(self, broker: Any) -> None:
        topic = broker.topic(1)
        produce(broker, topic, [b"a", b"b", b"c"])
        reader = assigned_reader(broker, [TopicPartition(topic, 0, 1)])
        assert [each.value() for each in read(reader, 2)] == [b"b", b"c"]
        reader.seek(TopicPartition(topic, 0, 0))
        assert [each.value() for each in read(reader, 3)] == [b"a", b"b", b"c"]
        assert reader.position([TopicPartition(topic, 0)])[0].offset == 3

    def test_what_is_paused_is_not_read_until_resumed(self, broker: Any) -> None:
        topic = broker.topic(2)
        produce(broker, topic, [b"a"], 0)
        produce(broker, topic, [b"b"], 1)
        held = [TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)]
        reader = assigned_reader(broker, held)
        reader.pause(held[:1])
        assert [each.value() for each in read(reader, 1)] == [b"b"]
        assert reader.poll(0.3) is None
        reader.resume(held[:1])
        assert [each.value() for each in read(reader, 1)] == [b"a"]

    def test_an_offset_out_of_range_comes_as_a_message_with_an_error(self, broker: Any) -> None:
        topic = broker.topic(1)
        produce(broker, topic, [b"a"])
        reader = assigned_reader(broker, [TopicPartition(topic, 0, 7)])
        errors: list[KafkaError] = []

        def is_told() -> bool:
            message = reader.poll(POLL_SECONDS)
            if message is not None:
                errors.append(message.error())
            return bool(errors)

        wait_for(is_told, what="an error")
        assert errors[0].code() == KafkaError._AUTO_OFFSET_RESET

    def test_a_commit_comes_back_with_its_metadata_to_the_next_member(self, broker: Any) -> None:
        topic = broker.topic(2)
        produce(broker, topic, [b"a", b"b", b"c"])
        first = Member(broker, "g", [topic], instance=0)
        poll_until([first], lambda: len(first.messages) == 3, "three records")
        first.consumer.commit(offsets=[TopicPartition(topic, 0, 2, '{"positions": [5]}')], asynchronous=False)
        first.consumer.close()
        second = Member(broker, "g", [topic], instance=0)
        poll_until([second], lambda: second.messages, "the last record")
        assert second.values == [b"c"]
        wanted = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        found = second.consumer.committed(wanted, 10.0)
        assert [each.offset for each in found] == [2, OFFSET_INVALID]
        assert found[0].metadata == '{"positions": [5]}'

    def test_an_asynchronous_commit_is_answered_at_a_poll(self, broker: Any) -> None:
        topic = broker.topic(1)
        member = Member(broker, "g", [topic])
        poll_until([member], lambda: member.events, "an assignment")
        member.consumer.commit(offsets=[TopicPartition(topic, 0, 0, "{}")], asynchronous=True)
        assert member.committed == []
        poll_until([member], lambda: member.committed, "an answer")
        assert member.committed == [None]

    def test_one_member_is_given_all_and_gives_it_up_when_it_closes(self, broker: Any) -> None:
        topic = broker.topic(2)
        member = Member(broker, "g", [topic])
        poll_until([member], lambda: member.events, "an assignment")
        member.consumer.close()
        assert member.events == [("assign", [(topic, 0), (topic, 1)]), ("revoke", [(topic, 0), (topic, 1)])]

    def test_a_second_member_takes_the_same_range_of_all_topics(self, broker: Any) -> None:
        topics = sorted([broker.topic(4), broker.topic(4)])
        whole = [(topic, at) for topic in topics for at in range(4)]
        first = Member(broker, "g", topics, instance=0)
        poll_until([first], lambda: first.events == [("assign", whole)], "all of it")
        second = Member(broker, "g", topics, instance=1)
        poll_until([first, second], lambda: second.events and len(first.events) == 3, "a balance")
        halves = [[(topic, at) for topic in topics for at in share] for share in ((0, 1), (2, 3))]
        assert first.events[1:] == [("revoke", whole), ("assign", halves[0])]
        assert second.events == [("assign", halves[1])]

    def test_a_member_may_commit_while_it_gives_up(self, broker: Any) -> None:
        topic = broker.topic(2)
        first = Member(broker, "g", [topic], instance=0)
        done: list[object] = []
        whole = [TopicPartition(topic, at, 0, "{}") for at in (0, 1)]

        def commit(consumer: Any, taken: list[TopicPartition]) -> None:
            done.append(consumer.commit(offsets=whole, asynchronous=False))

        first.consumer.subscribe([topic], on_assign=first._assigned, on_revoke=commit)
        poll_until([first], lambda: first.events, "an assignment")
        second = Member(broker, "g", [topic], instance=1)
        poll_until([first, second], lambda: second.events, "a balance")
        assert len(done) == 1
        found = second.consumer.committed(whole, 10.0)
        assert [each.offset for each in found] == [0, 0]

    def test_a_member_that_returns_under_its_name_is_given_the_same_again(self, broker: Any) -> None:
        topic = broker.topic(2)
        members = [Member(broker, "g", [topic], instance=number) for number in (0, 1)]
        poll_until(members, lambda: all(len(held(each)) == 1 for each in members), "a share each")
        other, events = members[0], list(members[0].events)
        members[1].consumer.close()
        again = Member(broker, "g", [topic], instance=1)
        poll_until([other, again], lambda: held(again), "the share")
        assert held(again) == [(topic, 1)]
        assert other.events == events

    def test_the_member_before_under_the_same_name_may_not_commit_and_ends_by_an_error(
        self, broker: Any
    ) -> None:
        topic = broker.topic(2)
        before = Member(broker, "g", [topic], instance=0)
        poll_until([before], lambda: before.events, "an assignment")
        after = Member(broker, "g", [topic], instance=0)
        poll_until([after], lambda: after.events, "an assignment")
        with pytest.raises(KafkaException) as refused:
            before.consumer.commit(offsets=[TopicPartition(topic, 0, 1, "{}")], asynchronous=False)
        assert refused.value.args[0].code() == KafkaError.FENCED_INSTANCE_ID
        poll_until([before, after], lambda: before.errors, "the end")
        assert before.errors[0].code() == KafkaError._FATAL
        assert after.errors == []


def held(member: Member) -> list[tuple[str, int]]:
    return member.events[-1][1] if member.events and member.events[-1][0] == "assign" else []
