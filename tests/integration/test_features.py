"""The features services on real Kafka, and their cache in a real Redis."""

from __future__ import annotations

import argparse
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from deploy.local.redis import Redis
from services.cli import features as command
from services.features import cached
from services.features.cache import RedisCache
from services.features.newest import Newest, NewestRows
from services.features.stage import FeaturesStage
from shared import wire
from shared.features import definitions
from shared.settings import Settings
from shared.stream import partitions
from shared.stream.clients import DependencyError, producer, read_topic
from shared.stream.loop import Loop
from shared.stream.service import build
from shared.telemetry import Telemetry
from tests.waiting import wait_for

START = 1_522_540_800_000_000
FEATURES = definitions()
CUSTOMER = FEATURES.entity("customer")
PAYMENT = {
    "accepted_at": 1,
    "amount": 1000,
    "currency": "EUR",
    "channel": "online",
    "merchant_category": None,
    "country": "FR",
    "device_id": None,
    "card_token": None,
}
CUSTOMERS = 40
MINUTE = 60_000_000


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


class Service:
    """The customer's features, run in this process step by step."""

    def __init__(self, settings: Settings) -> None:
        self.telemetry = Telemetry("features.customer")
        self.cache = RedisCache(settings, FEATURES, CUSTOMER, self.telemetry)
        self.newest = NewestRows(len(CUSTOMER.features), self.cache)
        stage = FeaturesStage(FEATURES, CUSTOMER, self.newest)
        self.loop: Loop = build(stage, settings, "features.customer", self.telemetry)
        self.loop.subscribe()

    def until(self, condition: Callable[[], object], what: str) -> None:
        def stepped() -> object:
            self.loop.step()
            return condition()

        wait_for(stepped, 40, what)


@pytest.fixture
def run(own_redis: Redis) -> Iterator[Callable[[Settings], Service]]:
    started: list[Service] = []

    def start(settings: Settings) -> Service:
        started.append(Service(settings))
        return started[-1]

    yield start
    for service in started:
        service.loop.stop()


def pay(settings: Settings, first: int, count: int, minutes: int = 0) -> None:
    """Send payments ``first`` and on, each a minute after the one before."""
    numbers = range(first, first + count)
    keys = [b"c%d" % (number % CUSTOMERS) for number in numbers]
    places = partitions(keys, 4).tolist()
    client = producer(settings)
    for number, key, place in zip(numbers, keys, places, strict=True):
        value = wire.encode(
            "transactions.v1",
            PAYMENT
            | {
                "source": wire.source_bytes(0, number),
                "transaction_id": f"t{number}",
                "event_time": START + (number + minutes) * MINUTE,
                "amount_base": 100 + number,
                "customer_id": key.decode(),
                "terminal_id": f"m{number % 7}",
            },
        )
        client.produce(settings.topic("transactions.v1"), key=key, partition=place, value=value)
    client.flush(20)


def outputs(settings: Settings) -> list[bytes]:
    return [message.value() for message in read_topic(settings, "features.customer.v1")]


def newest_sent(settings: Settings) -> dict[str, tuple[int, list[float | None]]]:
    """Event time and features of each customer's newest payment, from the topic."""
    frame = wire.decode_columns(outputs(settings), ["customer_id", "event_time", "customer_features"])
    matrix = wire.feature_matrix(frame, "customer_features")
    found: dict[str, tuple[int, list[float | None]]] = {}
    times = frame["event_time"].to_physical().to_list()
    for name, at, row in zip(frame["customer_id"].to_list(), times, matrix, strict=True):
        if name not in found or at >= found[name][0]:
            found[name] = (at, [None if np.isnan(value) else float(value) for value in row])
    return found


def newest_cached(settings: Settings) -> dict[str, tuple[int, list[float | None]]]:
    server = cached.client(settings)
    found = {}
    for number in range(CUSTOMERS):
        held = cached.find(server, settings, "customer", f"c{number}")
        if held is not None:
            values = [None if v is None else float(np.float32(v)) for v in held.features.values()]
            assert tuple(held.features) == CUSTOMER.names
            found[f"c{number}"] = (held.event_time, values)
    return found


def with_redis(settings: Settings, server: Redis) -> Settings:
    return settings.model_copy(update={"redis_url": server.url})


def test_the_cache_holds_the_newest_features_of_each_customer_and_is_rebuilt_after_a_loss(
    settings: Settings, own_redis: Redis, run: Callable[[Settings], Service]
) -> None:
    settings = with_redis(settings, own_redis)
    pay(settings, 0, 400)
    service = run(settings)
    service.until(lambda: len(newest_cached(settings)) == CUSTOMERS, "every customer in the cache")
    service.until(lambda: newest_cached(settings) == newest_sent(settings), "the newest features")
    before = newest_cached(settings)

    server = cached.client(settings)
    seconds_left = server.ttl(cached.entity_key(settings, "customer", b"c1"))
    assert 0 <= settings.features.cache_ttl_days * 86_400 - seconds_left < 100
    server.flushall()
    service.until(lambda: newest_cached(settings) == before, "the same content without a payment")

    own_redis.kill()
    pay(settings, 400, 400)
    service.until(lambda: len(outputs(settings)) == 800, "outputs without Redis")
    own_redis.start()
    service.until(lambda: newest_cached(settings) == newest_sent(settings), "the content of an empty Redis")


def test_a_start_from_a_checkpoint_fills_an_empty_cache_without_a_payment(
    settings: Settings, own_redis: Redis, run: Callable[[Settings], Service]
) -> None:
    settings = with_redis(settings, own_redis)
    pay(settings, 0, 200)
    first = run(settings)
    first.until(lambda: len(outputs(settings)) == 200, "the outputs")
    first.until(lambda: newest_cached(settings) == newest_sent(settings), "the newest features")
    before = newest_cached(settings)
    first.loop.stop()
    cached.client(settings).flushall()

    second = Service(settings)
    second.until(lambda: newest_cached(settings) == before, "the same content")
    first.loop = second.loop


def test_a_start_without_a_checkpoint_fills_an_empty_cache_without_a_payment(
    settings: Settings, own_redis: Redis, run: Callable[[Settings], Service]
) -> None:
    settings = with_redis(settings, own_redis)
    pay(settings, 0, 200)
    first = run(settings)
    first.until(lambda: len(outputs(settings)) == 200, "the outputs")
    first.until(lambda: newest_cached(settings) == newest_sent(settings), "the newest features")
    before = newest_cached(settings)
    first.loop.stop()
    cached.client(settings).flushall()
    shutil.rmtree(settings.checkpoint_url)

    second = Service(settings)
    first.loop = second.loop
    second.until(lambda: newest_cached(settings) == before, "the same content, from the log")


def test_a_redis_that_hangs_does_not_slow_the_outputs(
    settings: Settings, own_redis: Redis, run: Callable[[Settings], Service]
) -> None:
    settings = with_redis(settings, own_redis)
    service = run(settings)
    pay(settings, 0, 100)
    service.until(lambda: len(newest_cached(settings)) == CUSTOMERS, "every customer in the cache")

    cached.client(settings).client_pause(15_000)
    pay(settings, 100, 300)
    began = time.monotonic()
    service.until(lambda: len(outputs(settings)) == 400, "the outputs")
    assert time.monotonic() - began < 10, "the outputs waited for Redis"
    service.until(lambda: sample(service, "millrace_cache_up") == 0, "the metric that tells it")
    cached.client(settings, 30.0).client_unpause()
    service.until(lambda: newest_cached(settings) == newest_sent(settings), "the newest features")


def test_late_payments_do_not_replace_newer_ones(
    settings: Settings, own_redis: Redis, run: Callable[[Settings], Service]
) -> None:
    settings = with_redis(settings, own_redis)
    service = run(settings)
    pay(settings, 0, 200)
    service.until(lambda: len(newest_cached(settings)) == CUSTOMERS, "every customer in the cache")
    service.until(lambda: newest_cached(settings) == newest_sent(settings), "the newest features")
    before = newest_cached(settings)
    pay(settings, 200, 80, minutes=-400)
    service.until(lambda: len(outputs(settings)) == 280, "the outputs")
    service.until(lambda: sample(service, "millrace_cache_lag_seconds") == 0, "an empty queue")
    assert newest_cached(settings) == before


def test_an_older_position_never_overwrites_a_newer_one(redis: Redis, settings: Settings) -> None:
    first, second = (RedisCache(settings, FEATURES, CUSTOMER, Telemetry("features")) for _ in range(2))
    rows = np.arange(len(CUSTOMER.features), dtype=np.float32)[None, :]
    positions = [(offset, time) for offset in range(4) for time in range(4)]
    np.random.default_rng(1).shuffle(positions)

    def give(cache: RedisCache, chosen: list[tuple[int, int]]) -> None:
        for offset, after in chosen:
            cache.offer(0, Newest([b"x"], np.array([offset]), np.array([START + after]), rows + offset))
            wait_for(lambda: not waits(cache), 10, "the write")

    threads = [
        threading.Thread(target=give, args=(cache, positions[at::2]))
        for at, cache in enumerate((first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cache in (first, second):
        cache.close()
    held = cached.find(cached.client(settings), settings, "customer", "x")
    assert held is not None
    assert (held.event_time, held.offset) == (START + 3, 3)
    assert held.features["amount"] == 3


def waits(cache: RedisCache) -> bool:
    return any(waiting.rows for waiting in cache._waiting.values())


def sample(service: Service, name: str) -> float | None:
    return service.telemetry.registry.get_sample_value(name)


def test_features_get_prints_what_the_cache_holds(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = RedisCache(settings, FEATURES, CUSTOMER, Telemetry("features.customer"))
    rows = np.full((1, len(CUSTOMER.features)), np.nan, np.float32)
    rows[0, 0] = 12.34
    cache.offer(2, Newest([b"7"], np.array([5]), np.array([START]), rows))
    cache.close()
    assert command.run(asked("customer", "7", "json"), settings) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["position"] == "2/5"
    assert found["event_time"] == "2018-04-01T00:00:00+00:00"
    assert found["features_version"] == FEATURES.version
    assert found["features"] == {name: 12.34 if name == "amount" else None for name in CUSTOMER.names} | {
        "amount": pytest.approx(12.34)
    }
    assert command.run(asked("customer", "7"), settings) == 0
    assert "12.34" in capsys.readouterr().out


def test_features_get_tells_what_is_wrong(
    settings: Settings, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(asked("customer", "nobody"), settings) == 1
    assert "no features of customer nobody" in capsys.readouterr().err
    assert command.run(asked("planet", "7"), settings) == 2
    assert "there is no entity planet" in capsys.readouterr().err
    away = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port}/0"})
    with pytest.raises(DependencyError, match="does not answer"):
        command.run(asked("customer", "7"), away)


def asked(entity: str, entity_id: str, output: str = "table") -> argparse.Namespace:
    return argparse.Namespace(verb="get", entity=entity, id=entity_id, output=output)
