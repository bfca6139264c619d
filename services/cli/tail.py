"""`millrace tail`: the records of a topic, decoded."""

from __future__ import annotations

import argparse
import base64
import difflib
import json
import math
import select
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import schemas

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

    from shared.settings import Settings

USAGE = 2
WAIT_SECONDS = 0.5
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("topic", help="with or without its prefix, such as scores.v1")
    parser.add_argument(
        "--from", dest="start", choices=("start", "end"), default="end", help="the first record to print"
    )
    parser.add_argument("-n", dest="count", type=_positive, help="stop after so many records")
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="json", help="lines of JSON, or lines for people"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command until so many records are printed, or an interrupt."""
    name = arguments.topic.removeprefix(settings.topic_prefix)
    known = list(schemas.toml("topics")["topics"])
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        print(f"millrace: there is no topic {arguments.topic}; the nearest is {nearest}", file=sys.stderr)
        return USAGE
    show = _json if arguments.output == "json" else _line
    for number, message in enumerate(_messages(settings, name, arguments.start), start=1):
        print(show(shown(message)), flush=True)
        if number == arguments.count:
            break
    return 0


def shown(message: Message) -> dict[str, Any]:
    """Return a record as JSON can hold it.

    Times are ISO 8601 in UTC, ``source`` is ``partition:offset``, other bytes are base64, NaN is null.
    """
    key, value = message.key(), message.value()
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "time": iso(message.timestamp()[1] * 1000),
        "key": key.decode(errors="replace") if isinstance(key, bytes) else key,
        "value": decoded(value) if isinstance(value, bytes) else None,
    }


def decoded(value: bytes) -> Any:
    """Return the content of a record: Avro of ours, or JSON from outside, else its bytes."""
    from shared import wire
    from shared.wire.framing import schema_name

    try:
        record = wire.decode(value)
        times = _times(schema_name(value))
    except wire.WireError:
        return _from_outside(value)
    return {name: iso(v) if name in times and v is not None else plain(name, v) for name, v in record.items()}


def plain(name: str, value: Any) -> Any:
    """Return a field's value as JSON can hold it."""
    if isinstance(value, bytes):
        if name == "source":
            return f"{int.from_bytes(value[:4], 'big', signed=True)}:{int.from_bytes(value[4:], 'big')}"
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {inner: plain(inner, each) for inner, each in value.items()}
    return [plain("", each) for each in value] if isinstance(value, list) else value


def iso(microseconds: int) -> str:
    """Return a time as text; numbers that no date has stay numbers.

    Examples
    --------
    >>> iso(1_522_540_831_000_001)
    '2018-04-01T00:00:31.000001+00:00'
    """
    try:
        return (EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")
    except OverflowError:
        return str(microseconds)


def _from_outside(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return base64.b64encode(value).decode()


def _times(schema: str) -> set[str]:
    fields = schemas.avro(schema)["fields"]
    return {field["name"] for field in fields if "timestamp-micros" in json.dumps(field["type"])}


def _messages(settings: Settings, name: str, start: str) -> Iterator[Message]:
    from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException

    from shared.stream.clients import unreachable

    reader = _reader(settings)
    topic = settings.topic(name)
    try:
        _assign(reader, settings, topic, OFFSET_BEGINNING if start == "start" else OFFSET_END)
        while True:
            message = reader.poll(WAIT_SECONDS)
            if message is not None and message.error() is None:
                yield message
            elif message is not None:
                raise unreachable(settings, KafkaException(message.error()))
            elif not _is_heard():
                return
    finally:
        reader.close()


def _is_heard() -> bool:
    poll = select.poll()
    poll.register(1, 0)  # errors alone: the program that reads our stdout has ended
    return not poll.poll(0)


def _reader(settings: Settings) -> Consumer:
    from confluent_kafka import Consumer

    from shared.stream.clients import made

    fixed = {"group.id": "millrace.tail", "enable.auto.commit": False, "auto.offset.reset": "error"}
    return made(Consumer, {**fixed, **settings.kafka, "log_level": 2})


def _assign(reader: Consumer, settings: Settings, topic: str, offset: int) -> None:
    from confluent_kafka import KafkaException, TopicPartition

    from shared.stream.clients import REACH_SECONDS, DependencyError, unreachable

    try:
        found = reader.list_topics(topic, timeout=REACH_SECONDS).topics[topic]
    except KafkaException as error:
        raise unreachable(settings, error) from error
    if found.error is not None:
        raise DependencyError(f"there is no topic {topic} on the broker; run `millrace topics apply`")
    reader.assign([TopicPartition(topic, partition, offset) for partition in found.partitions])


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record)


def _line(record: dict[str, Any]) -> str:
    value = record["value"]
    fields = value.items() if isinstance(value, dict) else [("value", value)]
    short = " ".join(f"{name}={_short(each)}" for name, each in fields if each is not None)
    return f"{record['time'][:19]}  {record['partition']}:{record['offset']}  {record['key']}  {short}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
