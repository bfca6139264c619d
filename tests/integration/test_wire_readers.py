"""Readers that are not ours read our topics: Confluent's Avro deserialiser and kcat."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from confluent_kafka import Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

import schemas
from services.cli.main import main
from shared import wire
from shared.settings import Settings
from shared.stream.clients import DependencyError, producer, read_topic
from shared.wire import registry
from tests.avro_samples import sample
from tests.kcat import kcat, unpacked
from tests.registry_server import RegistryServer, serving

NAMES = list(schemas.registry()["ids"])


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as served:
        yield served


@pytest.fixture
def registered(settings: Settings, server: RegistryServer) -> Settings:
    with_registry = settings.model_copy(update={"schema_registry_url": server.url})
    registry.register(with_registry)
    return with_registry


def test_registering_keeps_the_committed_ids_and_is_needed_once(
    registered: Settings, server: RegistryServer
) -> None:
    ids = schemas.registry()["ids"]
    assert {number: json.loads(text) for number, text in server.by_id.items()} == {
        ids[name]: schemas.avro(name) for name in NAMES
    }
    assert server.subjects[registered.topic("scores.v1") + "-value"] == [ids["scores.v1"]]
    assert set(server.modes.values()) == {"READWRITE"}
    assert registry.register(registered) == []


def test_an_id_that_is_another_schema_there_is_refused(settings: Settings, server: RegistryServer) -> None:
    server.by_id[schemas.registry()["ids"]["scores.v1"]] = '"string"'
    with pytest.raises(DependencyError, match=r"id 1006 is another schema than scores\.v1"):
        registry.register(settings.model_copy(update={"schema_registry_url": server.url}))
    assert server.subjects == {}


def test_a_registry_that_cannot_import_is_refused(settings: Settings) -> None:
    with serving(RegistryServer(is_mutable=False)) as server:
        with_registry = settings.model_copy(update={"schema_registry_url": server.url})
        with pytest.raises(DependencyError, match=r"Mode changes are not allowed.*mode\.mutability"):
            registry.register(with_registry)
        assert server.by_id == {}


def test_a_registry_that_does_not_answer_names_the_setting(settings: Settings, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    with pytest.raises(DependencyError, match="MILLRACE_SCHEMA_REGISTRY_URL"):
        registry.missing(settings.model_copy(update={"schema_registry_url": url}))


def test_confluents_deserialiser_reads_every_topic(registered: Settings, server: RegistryServer) -> None:
    _send(registered)
    read = AvroDeserializer(SchemaRegistryClient({"url": server.url}))
    for name in NAMES:
        message = _only(registered, name)
        context = SerializationContext(registered.topic(name), MessageField.VALUE)
        assert _plain(read(message.value(), context)) == sample(name)


def test_confluents_deserialiser_reads_records_that_were_grown(server: RegistryServer) -> None:
    settings = Settings(schema_registry_url=server.url)
    registry.register(settings)
    record = {**sample("transactions.v1"), "source": wire.source_bytes(0, 1)}
    block = struct.pack("<bff", 4, 1.5, float("nan")) + b"\x00" + wire.long_bytes(7)  # 4 is zigzag of 2
    joined = wire.join([wire.encode("transactions.v1", record)])
    grown = wire.grow(joined, "features.customer.v1", np.array([3]), np.array([99]), wire.join([block]))
    read = AvroDeserializer(SchemaRegistryClient({"url": server.url}))
    found = _plain(read(grown[0], SerializationContext("any", MessageField.VALUE)))
    assert found["source"] == struct.pack(">iq", 3, 99)
    assert found["customer_features"][0] == 1.5
    assert found["customer_features"][1] != found["customer_features"][1]
    assert found["customer_features_version"] == 7
    assert found["card_token"] == record["card_token"]


def test_kcat_reads_frame_and_bytes_of_every_topic(settings: Settings) -> None:
    _send(settings)
    for name in NAMES:
        options = ("-C", "-q", "-e", "-o", "beginning", "-b", settings.kafka["bootstrap.servers"])
        topic = ("-t", settings.topic(name))
        frame = kcat(*options, *topic, "-s", "value=>bI", "-f", "%s")
        assert frame == f"0{wire.schema_id(name)}".encode()
        value = kcat(*options, *topic, "-f", "%s")
        body = fastavro.schemaless_reader(io.BytesIO(value[5:]), schemas.avro(name), None)
        assert _plain(body) == sample(name)


def test_kcat_can_be_unpacked_where_it_is_not_installed(tmp_path: Path) -> None:
    assert (unpacked(tmp_path / "kcat") / "usr/bin/kcat").exists()


def test_tail_prints_a_record_as_json(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _send(settings)
    monkeypatch.setenv("MILLRACE_KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"])
    monkeypatch.setenv("MILLRACE_TOPIC_PREFIX", settings.topic_prefix)
    assert main(["tail", "dead-letters.v1", "--from", "start", "-n", "1"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["key"] == "key"
    assert record["value"]["reason"] == "text 4"
    assert record["value"]["accepted_at"] == "2018-04-01T00:00:00.000006+00:00"
    assert record["value"]["encrypted_value"] == "AAg="
    assert main(["tail", "scorse.v1"]) == 2
    assert "the nearest is scores.v1" in capsys.readouterr().err


def _send(settings: Settings) -> None:
    sender = producer(settings)
    for name in NAMES:
        sender.produce(settings.topic(name), wire.encode(name, sample(name)), b"key", partition=0)
    assert sender.flush(20) == 0


def _only(settings: Settings, name: str) -> Message:
    (message,) = read_topic(settings, name)
    return message


def _plain(record: Any) -> Any:
    if isinstance(record, dict):
        return {name: _plain(value) for name, value in record.items()}
    if isinstance(record, list):
        return [_plain(value) for value in record]
    if isinstance(record, datetime):
        since = record - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return record
