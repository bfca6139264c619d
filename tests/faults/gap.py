"""Records that were deleted before they were taken: the service must say so and not go on by itself."""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.local import processes
from shared.settings import Settings
from shared.stream.clients import admin
from tests.faults.world import World
from tests.waiting import wait_for

SERVICE, TOPIC, PARTITION = "scoring", "features.terminal.v1", 0
BEHIND = 5
SAYS = "were deleted before they were taken"
ANSWER_SECONDS, END_SECONDS, STOP_SECONDS = 10.0, 40.0, 12.0


def offset_gone(world: World) -> dict[str, bool]:
    """Delete what a service has not taken; then do what it says. All services have ended before."""
    settings = world.settings
    place = TopicPartition(settings.topic(TOPIC), PARTITION)
    client = Consumer({**settings.kafka, "group.id": f"millrace.{SERVICE}", "enable.auto.commit": False})
    try:
        metadata = client.committed([place], ANSWER_SECONDS)[0].metadata
        end = client.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
        _delete(settings, TopicPartition(place.topic, PARTITION, end))
        _commit(client, TopicPartition(place.topic, PARTITION, end - BEHIND, metadata))
        is_refused = _is_refused(world)
        _commit(client, TopicPartition(place.topic, PARTITION, end, metadata))
        return {"is_refused": is_refused, "goes_on": _goes_on(world)}
    finally:
        client.close()


def _delete(settings: Settings, until: TopicPartition) -> None:
    client = admin(settings)  # held: its futures end with it
    for answer in client.delete_records([until]).values():
        answer.result(ANSWER_SECONDS)


def _commit(client: Consumer, place: TopicPartition) -> None:
    """Commit from outside, once the group has forgotten the members that ended."""

    def is_taken() -> bool:
        try:
            client.commit(offsets=[place], asynchronous=False)
        except KafkaException:
            return False
        return True

    wait_for(is_taken, END_SECONDS, "a commit in place of the service")


def _is_refused(world: World) -> bool:
    child, log = world.instance(SERVICE, 0), world.last_log
    wait_for(lambda: child.poll() is not None or "assigned" in log.read_text(), END_SECONDS, "the refusal")
    code = processes.stop(child, STOP_SECONDS)
    return code == 1 and SAYS in log.read_text()


def _goes_on(world: World) -> bool:
    child, log = world.instance(SERVICE, 1), world.last_log
    wait_for(lambda: child.poll() is not None or "assigned" in log.read_text(), END_SECONDS, "the start")
    return processes.stop(child, STOP_SECONDS) == 0
