"""Kafka, Redis and the supervisor of deploy/local."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

import schemas
from deploy.local.kafka import Kafka
from deploy.local.processes import Identity, environment, identity
from deploy.local.redis import Redis
from deploy.local.stack import Stack
from services.cli import status
from shared.settings import Settings
from shared.signals import TOPIC as SIGNALS
from shared.signals import Signal
from shared.stream.clients import admin, producer
from tests.waiting import wait_for


def test_a_broker_keeps_records_and_its_address_over_a_kill(tmp_path: Path) -> None:
    with Kafka(tmp_path) as broker:
        address = broker.bootstrap
        settings = Settings.load({"MILLRACE_KAFKA__BOOTSTRAP_SERVERS": address}, tmp_path / "none")
        _make_topic(settings, "kept")
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        producer.produce("kept", b"before", partition=0)
        assert producer.flush(20) == 0
        broker.kill()
        assert broker.start() == address
        producer.produce("kept", b"after", partition=0)
        assert producer.flush(20) == 0
        assert _values(address, "kept", 2) == [b"before", b"after"]
        child = broker.child
    assert child.poll() is not None


def test_a_test_has_all_topics_of_its_own(settings: Settings) -> None:
    found = admin(settings).list_topics(timeout=10).topics
    for name in schemas.toml("topics")["topics"]:
        assert len(found[settings.topic(name)].partitions) == schemas.partition_count(name)


def test_redis_starts_again_empty_on_the_same_port(tmp_path: Path) -> None:
    from redis import Redis as Client

    with Redis(tmp_path) as server:
        url = server.url
        with Client.from_url(url) as client:
            client.set("a", 1)
        server.kill()
        assert server.start() == url
        with Client.from_url(url) as client:
            assert client.dbsize() == 0


def test_up_status_and_down_leave_nothing_behind(tmp_path: Path) -> None:
    up = _millrace(tmp_path, "up", "--service", "labels")
    assert up.returncode == 0, up.stderr
    try:
        state = json.loads((tmp_path / "var/stack.json").read_text())
        started = [state["process"], *state["others"]]
        left = [Identity(**each) for each in started] + [identity(state["services"][0]["pid"])]
        assert all(each.is_alive for each in left)
        (row,) = json.loads(_millrace(tmp_path, "status", "-o", "json").stdout)
        assert (row["service"], row["health"], row["restarts"]) == ("labels", "ready", 0)
        assert "topics" in _millrace(tmp_path, "doctor").stdout
    finally:
        down = _millrace(tmp_path, "down")
    assert down.returncode == 0, down.stderr
    assert not any(each.is_alive for each in left)
    assert not (tmp_path / "var/stack.json").exists()
    assert "nothing runs" in _millrace(tmp_path, "down").stderr


@pytest.mark.parametrize(("newest", "days"), [(2, [3, 4]), (9, [0, 1, 2, 3, 4])])
def test_status_reads_the_newest_signals_alone(
    newest: int, days: list[int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = producer(settings)
    for day in range(5):
        value = Signal("estimate.ap", day, "info", "monitor", value=0.5).to_bytes()
        sender.produce(settings.topic(SIGNALS), value, b"estimate.ap", partition=0)
    assert sender.flush(20) == 0
    monkeypatch.setattr(status, "NEWEST_SIGNALS", newest)
    assert [each.event_time for each in status.heard(settings)] == days


def test_a_stack_starts_a_killed_service_again(tmp_path: Path) -> None:
    with Stack(tmp_path, services=("labels",)) as stack:
        before = stack.supervisor.kill("labels")
        wait_for(lambda: stack.supervisor.statuses()[0].restarts == 1)
        stack.supervisor.await_ready(60)
        after = stack.supervisor.pid("labels")
        assert after not in (None, before)
        child = identity(after)
    assert not child.is_alive
    assert not (tmp_path / "stack.json").exists()


def _make_topic(settings: Settings, name: str) -> None:
    from confluent_kafka.admin import NewTopic

    client = admin(settings)
    for made in client.create_topics([NewTopic(name, 1, 1)]).values():
        made.result(20)


def _values(address: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes | None] = []

    def has_all() -> bool:
        values.extend(message.value() for message in consumer.consume(count, 0.1) if message.error() is None)
        return len(values) >= count

    wait_for(has_all, what=f"{count} records in {topic}")
    consumer.close()
    return values


def _millrace(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in environment().items() if not k.startswith("MILLRACE_")}
    command = [sys.executable, "-m", "services.cli.main", *words]
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=200, check=False
    )
