"""The models topic and the packages that it tells of."""

from __future__ import annotations

import logging
import time
from pathlib import PurePosixPath

import fsspec
import msgspec
from confluent_kafka import KafkaException, Message, TopicPartition

from shared import wire
from shared.models.package import MAX_PACKAGE_BYTES
from shared.models.records import TOPIC, ModelRecord
from shared.models.refusal import ModelRefused, Refusal
from shared.settings import Settings
from shared.stream.clients import REACH_SECONDS, DependencyError, consumer, unreachable

MAX_RECORDS = 500
POLL_SECONDS = 0.2
FETCH_MS = 100  # the broker tells the end once the fetch before it is answered; training asks each midnight
GIVE_SECONDS = 30.0
PARTITION = 0

log = logging.getLogger(__name__)


def fetch(record: ModelRecord, settings: Settings) -> bytes:
    """Return the bytes of a record's package, read once; never more than one byte above the limit.

    Raises
    ------
    ModelRefused
        If the path leads out of ``model_url``, or there is nothing to read.
    """
    path = PurePosixPath(record.package)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ModelRefused(Refusal.MALFORMED, f"{record.package!r} is not a path below model_url")
    files, root = fsspec.core.url_to_fs(settings.model_url)
    try:
        with files.open(f"{root}/{path}", "rb") as file:
            content: bytes = file.read(MAX_PACKAGE_BYTES + 1)
    except OSError as error:
        raise ModelRefused(
            Refusal.ABSENT, f"{record.package} cannot be read below model_url {settings.model_url}: {error}"
        ) from error
    return content


class ModelFeed:
    """Follows the models topic, which has one partition, from its start; for one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place = TopicPartition(settings.topic(TOPIC), PARTITION, 0)
        self._consumer = consumer(settings, "millrace.models", **{"fetch.wait.max.ms": FETCH_MS})
        self._next = 0
        self._check_topic()
        self._consumer.assign([self._place])

    def catch_up(self) -> list[ModelRecord]:
        """Return the records since the last call or poll up to the end that the topic has now.

        Raises
        ------
        DependencyError
            If the broker does not tell the end, or gives nothing more before it for half a minute.
        """
        try:
            end = self._consumer.get_watermark_offsets(self._place, timeout=REACH_SECONDS)[1]
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        records: list[ModelRecord] = []
        deadline = time.monotonic() + GIVE_SECONDS
        while self._next < end:
            before = self._next
            records += self.poll(POLL_SECONDS)
            if self._next > before:
                deadline = time.monotonic() + GIVE_SECONDS
            elif time.monotonic() > deadline:
                raise DependencyError(
                    f"topic {self._place.topic} ends at {end}; the broker gives nothing from {before} on: "
                    "see its log, and start again"
                )
        return records

    def poll(self, seconds: float = 0.0) -> list[ModelRecord]:
        """Return the next records, waiting for the first at most so long."""
        found = []
        for message in self._consumer.consume(MAX_RECORDS, seconds):
            if message.error() is not None:
                raise KafkaException(message.error())
            found += self._read(message)
            self._next = (message.offset() or 0) + 1
        return found

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _check_topic(self) -> None:
        name = self._place.topic
        try:
            found = self._consumer.list_topics(name, timeout=REACH_SECONDS).topics[name]
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        if found.error is not None:
            raise DependencyError(f"there is no topic {name}; run `millrace topics apply`")

    def _read(self, message: Message) -> list[ModelRecord]:
        try:
            return [ModelRecord.from_bytes(message.value() or b"")]
        except (wire.WireError, msgspec.ValidationError) as error:
            log.warning("not a model record", extra={"offset": message.offset(), "detail": str(error)})
            return []
