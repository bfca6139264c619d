"""One real Kafka and one real Redis for a test run; each test has its own topics and folders."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import schemas
from deploy.local.kafka import Kafka
from deploy.local.ports import free_port as find_free_port
from deploy.local.redis import Redis
from shared.settings import Settings
from shared.stream import topics
from shared.stream.clients import admin

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis: Redis) -> str:
    return redis.url


@pytest.fixture
def free_port() -> int:
    return find_free_port()


@pytest.fixture
def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a Millrace of its own: prefix, folders, topics made."""
    made = Settings.load(
        {
            "MILLRACE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
            "MILLRACE_REDIS_URL": redis.url,
            "MILLRACE_TOPIC_PREFIX": f"t{next(_numbers)}.",
            "MILLRACE_STATE_FOLDER": str(tmp_path / "state"),
            "MILLRACE_MODEL_URL": str(tmp_path / "models"),
            "MILLRACE_KEYS_FOLDER": str(tmp_path / "keys"),
        },
        tmp_path / "millrace.toml",
    )
    topics.apply(made)
    yield made
    if kafka.is_running:
        names = [made.topic(name) for name in schemas.toml("topics")["topics"]]
        client = admin(made)  # held: its futures end with it
        for deleted in client.delete_topics(names).values():
            deleted.exception(20)
