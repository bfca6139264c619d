"""Writes the newest features of each entity to Redis, on a thread of its own."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from redis import Redis, RedisError

from services.features import cached
from services.features.newest import Newest
from shared.features import Entity, FeatureSet
from shared.settings import Settings
from shared.telemetry import Telemetry

SCRIPT = Path(__file__).with_name("newest.lua")
DAY_SECONDS = 86_400
ROUND_SECONDS = 0.2  # rows of an entity that come within it are written once
WATCH_SECONDS = 1.0  # how often a Redis that nothing is written to is asked whether it lost its content
ROWS_AT_ONCE = 500  # keep Redis busy for a few milliseconds a call
MOST_WAITING = 50_000  # rows: about 30 MB; beyond it they are dropped and later read from state
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
CLOSE_SECONDS = 3.0

Row = tuple[int, int, list[float]]


@dataclass(slots=True)
class _Waiting:
    """What waits for one partition; ``is_marked`` once this run's name stands in Redis."""

    rows: dict[bytes, Row] = field(default_factory=dict)
    is_marked: bool = False
    is_lost: bool = False


class RedisCache:
    """The sink of `NewestRows`: never waits for Redis, and offers are coalesced by entity.

    The run's name stands in Redis once for each partition. Where it is gone, the content is gone: the
    partition is then reported lost, so that all its rows are offered again. So are rows that found no
    room here while Redis was away.
    """

    def __init__(
        self, settings: Settings, features: FeatureSet, entity: Entity, telemetry: Telemetry
    ) -> None:
        self._settings, self._entity = settings, entity.name
        self._version = features.version
        self._seconds_to_live = settings.features.cache_ttl_days * DAY_SECONDS
        self._names = entity.names
        self._run = uuid.uuid4().hex.encode()
        self._server: Redis = cached.client(settings)
        self._write_newest = self._server.register_script(SCRIPT.read_text())
        self._meters = _Meters(telemetry)
        self._log = telemetry.log
        self._lock = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._since: float | None = None
        self._is_up = False
        self._pause = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="cache", daemon=True)
        self._thread.start()

    def offer(self, partition: int, newest: Newest) -> None:
        """Take rows; of an entity only the newest waits."""
        rows = zip(newest.times.tolist(), newest.offsets.tolist(), newest.rows.tolist(), strict=True)
        with self._lock:
            waiting = self._waiting.setdefault(partition, _Waiting())
            waiting.rows.update(zip(newest.ids, rows, strict=True))
            if len(waiting.rows) > MOST_WAITING:
                waiting.rows.clear()
                waiting.is_lost = True
            if self._since is None and waiting.rows:
                self._since = time.monotonic()

    def has_room(self, partition: int) -> bool:
        """Tell whether rows that are written again may come now."""
        with self._lock:
            waiting = self._waiting.setdefault(partition, _Waiting())
            return self._is_up and len(waiting.rows) < MOST_WAITING // 2

    def is_lost(self, partition: int) -> bool:
        """Tell, once for each loss and when Redis answers, whether all rows are to be offered again."""
        with self._lock:
            waiting = self._waiting.setdefault(partition, _Waiting())
            if not (waiting.is_lost and self._is_up):
                return False
            waiting.is_lost = False
            return True

    def release(self, partition: int) -> None:
        """Forget a partition; what waits is durable and written all the same."""
        with self._lock:
            waiting = self._waiting.get(partition)
            if waiting is not None:
                waiting.is_marked = waiting.is_lost = False
                if not waiting.rows:
                    del self._waiting[partition]

    def close(self) -> None:
        """Write what waits if Redis answers, and end the thread."""
        self._stopping.set()
        self._thread.join(CLOSE_SECONDS)
        self._server.close()

    def _work(self) -> None:
        watch_due = 0.0
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(self._pause or ROUND_SECONDS)
            now = time.monotonic()
            self._meters.waiting(self._since, now)
            if self._since is None and now < watch_due:
                continue
            watch_due = now + WATCH_SECONDS
            try:
                self._round()
            except RedisError as error:
                self._failed(error)

    def _round(self) -> None:
        with self._lock:
            partitions = sorted(self._waiting)
        self._watch(partitions)
        self._answered()
        self._since = None  # rows that come from here on set it again
        for partition in partitions:
            while chunk := self._chunk(partition):
                self._write(partition, chunk)

    def _watch(self, partitions: list[int]) -> None:
        if not partitions:
            self._server.ping()
            return
        keys = [cached.marker_key(self._settings, self._entity, each) for each in partitions]
        lost = [
            (partition, key)
            for partition, key, held in zip(partitions, keys, self._server.mget(keys), strict=True)
            if held != self._run
        ]
        for partition, key in lost:
            self._server.set(key, self._run)
            with self._lock:
                waiting = self._waiting.setdefault(partition, _Waiting())
                is_first, waiting.is_marked, waiting.is_lost = not waiting.is_marked, True, True
            if not is_first:
                self._log.warning("the cache lost its content", extra={"partition": partition})

    def _chunk(self, partition: int) -> dict[bytes, Row]:
        with self._lock:
            waiting = self._waiting.get(partition, _Waiting())
            return dict(islice(waiting.rows.items(), ROWS_AT_ONCE))

    def _write(self, partition: int, chunk: dict[bytes, Row]) -> None:
        keys = [cached.entity_key(self._settings, self._entity, entity_id) for entity_id in chunk]
        values: list[bytes | int] = [self._seconds_to_live]
        for event_time, offset, features in chunk.values():
            named = dict(zip(self._names, features, strict=True))
            held = cached.Cached(event_time, offset, partition, self._version, named)
            values += (event_time, offset, held.to_bytes())
        try:
            self._write_newest(keys, values)
        except RedisError:
            self._since = self._since or time.monotonic()
            raise
        self._meters.writes.inc(len(chunk))
        with self._lock:
            rows = self._waiting[partition].rows if partition in self._waiting else {}
            for entity_id, row in chunk.items():
                if rows.get(entity_id) is row:
                    del rows[entity_id]

    def _answered(self) -> None:
        if not self._is_up:
            self._log.info("the cache answers")
        self._is_up, self._pause = True, 0.0
        self._meters.up.set(1)

    def _failed(self, error: RedisError) -> None:
        if self._is_up or not self._pause:
            self._log.warning(
                "the cache does not answer; payments go on without it", extra={"error": str(error)}
            )
        self._is_up = False
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS) or FIRST_PAUSE_SECONDS
        self._meters.errors.inc()
        self._meters.up.set(0)


class _Meters:
    def __init__(self, telemetry: Telemetry) -> None:
        self.writes = telemetry.counter("cache_writes_total", "Rows sent to the cache")
        self.errors = telemetry.counter("cache_errors_total", "Calls of the cache that failed")
        self.up = telemetry.gauge("cache_up", "1 while the cache answers")
        self.lag = telemetry.gauge("cache_lag_seconds", "How long the oldest row has waited for the cache")

    def waiting(self, since: float | None, now: float) -> None:
        self.lag.set(0.0 if since is None else now - since)
