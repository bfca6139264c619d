"""The models topic and the packages that it tells of."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

import fsspec
import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

import schemas
from shared import wire
from shared.models.package import MAX_PACKAGE_BYTES
from shared.models.records import TOPIC, ModelRecord
from shared.models.refusal import ModelRefused, Refusal
from shared.settings import Settings
from shared.stream.clients import REACH_SECONDS, DependencyError, consumer, unreachable

MAX_RECORDS = 500
POLL_SECONDS = 0.2

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
    """Follows the models topic from its start; for one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(TOPIC)
        self._consumer = consumer(settings, "millrace.models", **{"enable.partition.eof": True})
        self._unread = set(range(schemas.partition_count(TOPIC)))
        self._check_topic()
        places = [TopicPartition(self._topic, number, 0) for number in sorted(self._unread)]
        self._consumer.assign(places)

    def catch_up(self) -> list[ModelRecord]:
        """Return the records up to the end that the topic has now."""
        records: list[ModelRecord] = []
        while self._unread:
            records += self.poll(POLL_SECONDS)
        return records

    def poll(self, seconds: float = 0.0) -> list[ModelRecord]:
        """Return the next records, waiting for the first at most so long."""
        found = []
        for message in self._consumer.consume(MAX_RECORDS, seconds):
            error = message.error()
            if error is None:
                found += self._read(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._unread.discard(message.partition())
            else:
                raise KafkaException(error)
        return found

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _check_topic(self) -> None:
        try:
            found = self._consumer.list_topics(self._topic, timeout=REACH_SECONDS).topics[self._topic]
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        if found.error is not None:
            raise DependencyError(f"there is no topic {self._topic}; run `millrace topics apply`")

    def _read(self, message: Message) -> list[ModelRecord]:
        try:
            return [ModelRecord.from_bytes(message.value() or b"")]
        except (wire.WireError, msgspec.ValidationError) as error:
            log.warning("not a model record", extra={"offset": message.offset(), "detail": str(error)})
            return []
