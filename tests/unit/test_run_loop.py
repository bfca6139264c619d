"""The run loop on the log in memory: its order of leaving, its care after crashes, what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition

import schemas
from shared.stream import Arrays, Batch, Outgoing
from shared.stream.assignment import StateError
from shared.stream.marker import STARTS_BEFORE_CARE
from tests.unit.protocol_stages import LAST, PARTITIONS, SCORES, name_of
from tests.unit.run_loop_world import POISON, Counting, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(schemas, "partition_count", lambda topic: PARTITIONS)
    return World(tmp_path)


def names(numbers: range) -> list[bytes]:
    return [b"%06d" % number for number in numbers]


def test_leaving_sends_commits_writes_the_state_and_only_then_leaves(world: World) -> None:
    world.write(range(5))
    loop, order = world.start(Counting()), []

    def noted(owner: Any, name: str) -> None:
        called = getattr(owner, name)

        def note(*given: Any, **named: Any) -> Any:
            order.append(name)
            return called(*given, **named)

        setattr(owner, name, note)

    loop.producer.limit = 0  # type: ignore[attr-defined]
    world.steps(loop, 3)
    assert world.names(SCORES) == []
    loop.producer.limit = None  # type: ignore[attr-defined]
    noted(loop.producer, "flush")
    noted(loop.consumer, "commit")
    noted(loop.assignment.checkpoints, "write")
    noted(loop.stage, "close")
    noted(loop.consumer, "close")
    loop.stop()
    assert order == ["flush", "commit", "write", "write", "close", "close"]
    assert sorted(world.names(SCORES)) == names(range(5))
    assert world.committed().offset == 5
    again = world.start(Counting())
    world.steps(again, 2)
    assert again.stage.seen[0] == 5  # type: ignore[attr-defined]
    assert len(world.names(SCORES)) == 5


def test_leaving_with_outputs_that_are_not_acknowledged_is_an_error_and_writes_no_state(
    world: World,
) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    loop.producer.limit = 0  # type: ignore[attr-defined]
    world.steps(loop, 3)
    with pytest.raises(RuntimeError, match="not acknowledged"):
        loop.stop()
    assert not list(world.folder.rglob("*.npz"))
    assert world.committed().offset < 5


def test_a_delivery_error_ends_the_process_before_anything_is_committed(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    loop.producer.is_broken = True  # type: ignore[attr-defined]
    with pytest.raises(KafkaException):
        world.steps(loop)
    assert world.committed().offset < 0


def test_an_error_in_place_of_a_record_ends_the_process(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    world.steps(loop)
    world.write(range(5, 9))
    world.log.trim(LAST, 0, 7)
    with pytest.raises(KafkaException):
        world.steps(loop)


def test_a_record_that_ends_the_process_becomes_a_dead_letter_after_two_starts_and_two_with_care(
    world: World,
) -> None:
    world.write(range(6))
    for start in range(STARTS_BEFORE_CARE):
        with pytest.raises(ZeroDivisionError):
            world.steps(world.start(Counting(POISON)))
        assert world.names(SCORES) == [], start
    for _ in range(2):
        careful = world.start(Counting(POISON))
        with pytest.raises(ZeroDivisionError):
            world.steps(careful)
        assert careful.stage.sizes == [1, 1, 1]  # type: ignore[attr-defined]
    last = world.start(Counting(POISON))
    world.steps(last)
    assert sorted(set(world.names(SCORES))) == [name for name in names(range(6)) if name != b"000003"]
    found = world.letters()
    assert [(each["reason"], each["partition"], each["offset"]) for each in found] == [
        ("crashed_service", 0, POISON)
    ]
    _, value = last.letters.open(found[0])  # type: ignore[misc]
    assert name_of(value) == b"000003"
    assert world.committed().offset == 6


def test_of_a_batch_with_a_record_too_long_to_send_nothing_is_sent(world: World) -> None:
    class Long(Counting):
        def process(self, batch: Batch) -> list[Outgoing]:
            (output,) = super().process(batch)
            names = [b"%06d" % number for number in range(50)]  # in all partitions, the long one in the last
            return [output, Outgoing(SCORES, names, [b"short"] * 49 + [bytes(1_000_000)])]

    world.write(range(5))
    loop = world.start(Long())
    with pytest.raises(ValueError, match="a record of 1000006 bytes"):
        world.steps(loop)
    loop.producer.flush()
    assert world.names(SCORES) == []


def test_records_after_the_one_set_aside_are_taken_whole_again(world: World) -> None:
    world.write(range(6))
    for _ in range(STARTS_BEFORE_CARE + 2):
        with pytest.raises(ZeroDivisionError):
            world.steps(world.start(Counting(POISON)))
    last = world.start(Counting(POISON))
    world.steps(last)
    world.write(range(6, 20))
    world.steps(last)
    assert last.stage.sizes[-1] > 1  # type: ignore[attr-defined]
    assert len(set(world.names(SCORES))) == 19


def test_a_record_outlived_with_care_is_not_blamed_for_another_end(world: World) -> None:
    world.write(range(6))
    for _ in range(STARTS_BEFORE_CARE):
        with pytest.raises(ZeroDivisionError):
            world.steps(world.start(Counting(POISON)))
    killed = world.start(Counting())
    world.steps(killed, 1)
    assert killed.stage.sizes == [1] * 6  # type: ignore[attr-defined]
    assert world.start(Counting()).marker._read().get("taking") is None
    after = world.start(Counting())
    world.steps(after)
    assert world.letters() == []
    assert sorted(set(world.names(SCORES))) == names(range(6))


def test_ends_before_any_record_was_taken_are_no_records_doing(world: World) -> None:
    for _ in range(2 * STARTS_BEFORE_CARE):
        world.steps(world.start(Counting()), 1)
    world.write(range(6))
    loop = world.start(Counting())
    world.steps(loop, 1)
    assert not loop.marker.is_watchful
    assert loop.stage.sizes == [6]  # type: ignore[attr-defined]


def test_rebalances_without_a_crash_do_not_count_as_starts(world: World) -> None:
    loop = world.start(Counting())
    for _ in range(2 * STARTS_BEFORE_CARE):
        other = world.log.consumer("counting", "counting-1")
        other.subscribe([LAST])
        for each in (other.poll, loop.step, other.poll, loop.step):
            each()
        world.log.expel("counting", "counting-1")
        loop.step()
    assert loop._rebalances > 4 * STARTS_BEFORE_CARE
    assert not loop.marker.is_watchful


def test_a_checkpoint_of_other_topics_is_refused_with_what_to_do(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    world.steps(loop)
    loop.stop()
    world.topics = {LAST: ["another id", PARTITIONS]}
    with pytest.raises(StateError, match=r"made of other topics .* clear the checkpoints and the group"):
        world.steps(world.start(Counting()))


def test_an_offset_committed_by_another_program_is_refused(world: World) -> None:
    world.write(range(5))
    foreign = world.log.consumer("counting")
    foreign.commit([TopicPartition(LAST, 0, 3)], asynchronous=False)
    with pytest.raises(StateError, match="committed without positions"):
        world.steps(world.start(Counting()))


def test_records_deleted_before_they_were_taken_stop_the_service_with_their_range(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    world.steps(loop)
    loop.stop()
    world.write(range(5, 9))
    world.log.trim(LAST, 0, 7)
    with pytest.raises(StateError, match=r"0: the records from 5 to 6 were deleted before they were taken"):
        world.steps(world.start(Counting()))
    assert len(world.names(SCORES)) == 5


def test_a_checkpoint_before_the_start_of_the_log_gives_way_to_what_is_kept(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    world.steps(loop)
    loop.snapshots.last(0)
    world.write(range(5, 9))
    world.steps(loop)
    world.log.trim(LAST, 0, 7)
    again = world.start(Counting())
    world.write(range(9, 12))
    world.steps(again)
    assert sorted(world.names(SCORES)) == names(range(12))
    assert again.stage.seen[0] == 5  # type: ignore[attr-defined]


def test_repeats_are_skipped_and_counted(world: World) -> None:
    world.write(range(5))
    world.write(range(2, 7))
    loop = world.start(Counting())
    world.steps(loop)
    assert sorted(world.names(SCORES)) == names(range(7))
    metrics = world.telemetry.answer("/metrics")[2].decode()
    assert f'millrace_records_total{{result="repeat",topic="{LAST}"}} 3.0' in metrics
    assert f'millrace_records_total{{result="taken",topic="{LAST}"}} 7.0' in metrics


def test_a_record_polled_before_a_rebalance_is_left_to_be_read_again(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    loop.consumer.poll()
    consume = loop.consumer.consume

    def consume_amid_a_rebalance(count: int, timeout: float) -> Any:
        loop.on_revoke(loop.consumer, loop.consumer.assignment())
        return []

    loop.consumer.seek(TopicPartition(LAST, 0, 0))
    loop.consumer.consume = consume_amid_a_rebalance  # type: ignore[method-assign]
    loop.step()
    loop.consumer.consume = consume  # type: ignore[method-assign]
    assert loop.stage.sizes == []  # type: ignore[attr-defined]
    assert loop.assignment.held.partitions == set()


def test_what_came_before_a_rebalance_between_two_looks_is_left_too(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    loop.step()
    loop.consumer.seek(TopicPartition(LAST, 0, 0))
    poll, consume, counts = loop.consumer.poll, loop.consumer.consume, iter([2, 0])

    def looks(count: int, timeout: float) -> Any:
        wanted = next(counts)
        if not wanted:
            held = loop.consumer.assignment()
            loop.on_revoke(loop.consumer, held)
            loop.on_assign(loop.consumer, held)
        return consume(wanted)

    loop.consumer.poll = lambda timeout=1.0: poll() if timeout else None  # type: ignore[method-assign]
    loop.consumer.consume = looks  # type: ignore[method-assign]
    assert loop._poll() == []
    assert next(counts, None) is None


class WhenAwaited(Executor):
    """Writes a checkpoint no sooner than somebody waits for it, and notes that."""

    def __init__(self) -> None:
        self.written = 0

    def submit(self, called: Any, /, *given: Any, **named: Any) -> Future[Any]:
        owner = self

        class Awaited(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                owner.written += 1
                return called(*given, **named)

        return Awaited()


def test_the_last_snapshot_waits_for_the_one_being_written(world: World) -> None:
    loop, writer = world.start(Counting()), WhenAwaited()
    loop.snapshots.writer, loop.snapshots.seconds = writer, 0.0
    written_before: list[int] = []
    snapshot = loop.stage.snapshot

    def noted(partition: int) -> Arrays:
        written_before.append(writer.written)
        return snapshot(partition)

    loop.stage.snapshot = noted  # type: ignore[method-assign]
    world.steps(loop, 3)
    assert written_before == [0] * PARTITIONS
    loop.stop()
    assert written_before == [0, 0, 1, 3]


def test_what_a_stage_carries_is_committed_with_the_offset_that_it_belongs_to(world: World) -> None:
    class Carrying(Counting):
        has_checkpoints = False

        def carried(self, partition: int) -> list[int]:
            return [self.seen[partition]]

        def carry_on(self, partition: int, carried: list[int] | None) -> None:
            self.seen[partition] = carried[0] if carried else 0

    world.write(range(5))
    first = world.start(Carrying())
    world.steps(first)
    world.write(range(5, 9))
    first.producer.limit = 0  # type: ignore[attr-defined]
    world.steps(first)  # taken, but neither acknowledged nor committed when the process ends here
    assert first.stage.seen[0] == 9  # type: ignore[attr-defined]
    again = Carrying()
    loop = world.start(again)
    while 0 not in again.seen:
        loop.step()
    assert world.committed().offset == 5
    world.steps(loop)
    assert again.seen[0] == 9


class Told(Counting):
    """Keeps what it is told to be durable."""

    def __init__(self) -> None:
        super().__init__()
        self.durable: list[int] = []

    def acknowledged(self, partition: int, topic: str, offset: int) -> None:
        if partition == 0:
            self.durable.append(offset)


def test_what_is_read_again_in_silence_is_known_to_be_durable(world: World) -> None:
    world.write(range(5))
    loop = world.start(Counting())
    world.steps(loop)
    loop.stop()
    shutil.rmtree(world.settings.checkpoint_url)

    again = Told()
    loop = world.start(again)
    world.steps(loop)
    assert (again.seen[0], again.durable) == (5, [5])
