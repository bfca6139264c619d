"""Runs a stage as a service on Kafka until it is told to stop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

import schemas
from shared.settings import Settings, SettingsError
from shared.stream import clients
from shared.stream.assignment import Assignment, StateError
from shared.stream.checkpoints import Checkpoints
from shared.stream.clients import DependencyError
from shared.stream.dead_letters import DeadLetters
from shared.stream.loop import Loop
from shared.stream.marker import CrashMarker
from shared.stream.meters import Meters
from shared.stream.records import Stage
from shared.stream.snapshots import Snapshots
from shared.telemetry import Telemetry

ANSWER_SECONDS = 30.0
FAILED, UNREACHABLE = 1, 3
PATIENCE = 8  # where nobody waits for what comes of records, so many times as long a batch of them gathers
COLLECT_AFTER = 100_000  # objects, many batches: those of a batch go when nothing names them any more
SWITCH_SECONDS = 0.0005  # a thread that writes a cache or a checkpoint may not hold the loop up for long


def run(stage: Stage, settings: Settings, service: str, telemetry: Telemetry) -> int:
    """Run a stage until SIGTERM or SIGINT; return the exit code.

    A failure ends the process at once, without commit or checkpoint: a supervisor starts it again
    and it goes on from what is durable.
    """
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)

    sys.setswitchinterval(SWITCH_SECONDS)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        loop = build(stage, settings, service, telemetry)
        loop.subscribe()
        gc.collect()
        gc.freeze()  # else each full collection goes through all modules, for a tenth of a second
        gc.set_threshold(COLLECT_AFTER)
        while not stopping:
            loop.step()
        loop.stop()
    except (DependencyError, StateError, SettingsError) as error:
        telemetry.log.error(str(error))
        _end(UNREACHABLE if isinstance(error, DependencyError) else FAILED)
    except BaseException:
        telemetry.log.exception("stopped by an error")
        _end(FAILED)
    return 0


def build(stage: Stage, settings: Settings, service: str, telemetry: Telemetry) -> Loop:
    """Return the run loop of a stage on Kafka.

    Raises
    ------
    DependencyError
        If no broker answers, or an input topic is absent or has another number of partitions.
    """
    topics = _topics(stage, settings)
    consumer = clients.consumer(
        settings, f"millrace.{service}", on_commit=_on_commit, **_gathered(stage, settings)
    )
    assignment = Assignment(
        stage=stage,
        consumer=consumer,
        checkpoints=Checkpoints(settings.checkpoint_url, f"{settings.topic_prefix}{service}"),
        topic_of=settings.topic,
        topics=topics,
    )
    meters = Meters(telemetry)
    return Loop(
        stage=stage,
        settings=settings,
        consumer=consumer,
        producer=clients.producer(settings, on_error=_on_producer_error),
        assignment=assignment,
        marker=CrashMarker(settings.state_folder / service / f"starts-{settings.instance}.json"),
        letters=DeadLetters(service, settings),
        meters=meters,
        snapshots=Snapshots(stage, assignment, meters, settings.stream.checkpoint_seconds),
    )


def _gathered(stage: Stage, settings: Settings) -> dict[str, int]:
    if stage.is_patient:
        return clients.gathered(PATIENCE * settings.stream.batch_ms)
    if any(each.kind == "raw" for each in stage.inputs):
        return clients.gathered(settings.stream.batch_ms)
    return clients.AS_THEY_COME  # what a stage sends has gathered before it


def _topics(stage: Stage, settings: Settings) -> dict[str, list[str | int]]:
    names = [settings.topic(each.topic) for each in stage.inputs]
    client: AdminClient = clients.admin(settings)
    found = client.describe_topics(TopicCollection(names), request_timeout=ANSWER_SECONDS)
    result: dict[str, list[str | int]] = {}
    for each, name in zip(stage.inputs, names, strict=True):
        try:
            topic = found[name].result(ANSWER_SECONDS)
        except KafkaException as error:
            raise DependencyError(
                f"topic {name}: {error.args[0].str()}; run `millrace topics apply`"
            ) from error
        count = schemas.partition_count(each.topic)
        if len(topic.partitions) != count:
            raise DependencyError(
                f"topic {name} has {len(topic.partitions)} partitions, schemas/topics.toml says {count}"
            )
        result[each.topic] = [str(topic.topic_id), count]
    return result


def _on_commit(error: KafkaError | None, offsets: object) -> None:
    if error is not None and error.code() != KafkaError._NO_OFFSET:
        raise KafkaException(error)


def _on_producer_error(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)


def _end(code: int) -> None:
    try:
        sys.stderr.flush()
    finally:  # also where the disk that holds the log is full
        os._exit(code)  # librdkafka threads must not send what is queued
