"""What the cache holds for an entity: where it lies, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import Settings

TIMEOUT_SECONDS = 1.0


class Cached(msgspec.Struct, frozen=True):
    """An entity's newest features; None where undefined. ``event_time`` in microseconds.

    Held as JSON that begins with the two fields by which `newest.lua` tells what is newer.
    """

    event_time: int
    offset: int
    partition: int
    features_version: int
    features: Mapping[str, float | None]

    def to_bytes(self) -> bytes:
        """Return the JSON text; NaN becomes null."""
        return msgspec.json.encode(self)


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
    """Return the key of an entity."""
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
    held = server.get(entity_key(settings, entity, entity_id.encode()))
    return None if held is None else msgspec.json.decode(held, type=Cached)
