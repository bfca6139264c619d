"""What the cache holds for an entity: where it lies, and how it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import Settings

TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cached:
    """An entity's newest features; None where undefined. ``event_time`` in microseconds."""

    features: dict[str, float | None]
    event_time: int
    partition: int
    offset: int
    features_version: int


def client(settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS) -> Redis:
    """Return a client that gives up in time and sends nothing twice."""
    # The library's own retries send a command again whose answer timed out.
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def entity_key(settings: Settings, entity: str, entity_id: bytes) -> bytes:
    """Return the key of an entity's hash."""
    return b"%sfeatures:%s:%s" % (settings.topic_prefix.encode(), entity.encode(), entity_id)


def marker_key(settings: Settings, entity: str, partition: int) -> bytes:
    """Return the key under which the run that fills the cache from a partition leaves its name."""
    return b"%sfeatures-run:%s:%d" % (settings.topic_prefix.encode(), entity.encode(), partition)


def find(server: Redis, settings: Settings, entity: str, entity_id: str) -> Cached | None:
    """Return what the cache holds of an entity, None when nothing.

    Raises
    ------
    redis.RedisError
        If Redis cannot be reached or does not answer in time.
    """
    held = server.hgetall(entity_key(settings, entity, entity_id.encode()))
    if not held:
        return None
    numbers = {
        name: int(held[name.encode()]) for name in ("event_time", "partition", "offset", "features_version")
    }
    return Cached(json.loads(held[b"features"]), **numbers)
