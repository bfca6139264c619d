"""Faults of the broker and of Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from services.features import cached
from tests.faults.world import World
from tests.waiting import elapse, wait_for

DOWN_SECONDS = 2.0
AWAY_SECONDS = 120.0
REDIS_SECONDS = 12.0
HELD_SECONDS = 30.0  # longer than a session
CUSTOMERS = 200
CACHED_SECONDS = 60.0


def broker_kills(world: World) -> dict[str, Any]:
    """Kill the broker and start it again."""
    world.pause(0, 1)
    return _broker_away(world, world.draw.uniform(0, DOWN_SECONDS))


def broker_away(world: World) -> dict[str, Any]:
    """Leave the services without a broker for long."""
    return _broker_away(world, world.scaled(AWAY_SECONDS))


def _broker_away(world: World, seconds: float) -> dict[str, Any]:
    world.stack.kafka.kill()
    elapse(seconds)
    world.stack.kafka.start()
    since = time.monotonic()
    return {"away_seconds": round(seconds, 1), "recovery_seconds": world.recovery(since)}


def redis_stops(world: World) -> dict[str, Any]:
    """Kill Redis for a while: payments go on; back again, empty, it holds the newest features soon."""
    since = time.monotonic()
    world.stack.redis.kill()
    seconds = world.recovery(since)
    elapse(max(0.0, world.scaled(REDIS_SECONDS) - (time.monotonic() - since)))
    world.stack.redis.start()
    return {"recovery_seconds": seconds, "cached_seconds": cached_again(world)}


def redis_emptied(world: World) -> dict[str, Any]:
    """Empty Redis."""
    since = time.monotonic()
    with _redis(world) as server:
        server.flushall()
    return {"recovery_seconds": world.recovery(since), "cached_seconds": cached_again(world)}


def redis_full(world: World) -> dict[str, Any]:
    """Let Redis refuse every write for a while."""
    since = time.monotonic()
    with _redis(world) as server:
        kept = {name: server.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy")}
        server.config_set("maxmemory-policy", "noeviction")
        server.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            server.set("is it full", "yes")
        seconds = world.recovery(since)
        elapse(world.scaled(REDIS_SECONDS))
        for name, value in kept.items():
            server.config_set(name, value)
    return {"recovery_seconds": seconds, "cached_seconds": cached_again(world)}


def cached_again(world: World) -> float:
    """Return the seconds until Redis holds the newest features, or later ones, of the latest customers."""
    since = time.monotonic()
    newest = world.newest(CUSTOMERS)
    settings = world.stack.settings
    server = cached.client(settings)

    def is_newest() -> bool:
        for customer, event_time in list(newest.items()):
            held = cached.find(server, settings, "customer", customer)
            if held is None or held.event_time < event_time:
                return False
            del newest[customer]
        return True

    wait_for(is_newest, CACHED_SECONDS, "the newest features in Redis")
    return round(time.monotonic() - since, 2)


def partitions(world: World) -> dict[str, Any]:
    """Hold all bytes between services and broker for a while."""
    world.pause(0, 1)
    world.proxy.hold(to_broker=True, to_clients=True)
    elapse(world.scaled(HELD_SECONDS))
    world.proxy.hold(to_broker=False, to_clients=False)
    return {"recovery_seconds": world.recovery(time.monotonic())}


def stalled_connections(world: World) -> dict[str, Any]:
    """Stall one way, for ever, half of the open connections: the broker hears, its answers are lost."""
    world.pause(0, 1)
    since = time.monotonic()
    stalled = world.proxy.stall(lambda: world.draw.random() < 0.5)
    return {"stalled": stalled, "recovery_seconds": world.recovery(since)}


@contextmanager
def _redis(world: World) -> Iterator[Redis]:
    server = Redis.from_url(world.stack.settings.redis_url, decode_responses=True)
    try:
        yield server
    finally:
        server.close()
