"""Raw records on their way at a steady rate, whatever happens to broker and services."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from confluent_kafka import KafkaException

from services.replay.pipeline import Pipeline
from services.replay.records import LABELS, PAYMENTS
from services.replay.sender import Sender
from shared.settings import Settings
from shared.stream.clients import DependencyError
from tests.faults.history import Raw

DAY = 86_400_000_000
TICK_SECONDS = 0.02
LOOK_SECONDS = 0.5


class Flow:
    """Sends records in a thread of its own, so many payments a second, to the end or until stopped.

    Never more than `label_lag` of event time ahead of the slowest service: what lies further ahead would
    rightly not see the labels that are still on their way, and one thread would see them.
    """

    def __init__(self, settings: Settings, records: Sequence[Raw], rate: float) -> None:
        self._settings, self._records, self._rate = settings, records, rate
        self._sender = Sender(settings, (PAYMENTS, LABELS))
        self._pipeline = Pipeline(settings)
        self._limit = records[0].time + DAY
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._failure: BaseException | None = None
        self._taken = 0
        self.payments = 0
        """How many payments were handed to the client, the first ones of the history."""
        self.held_seconds = 0.0
        """How long the load waited for the services."""

    @property
    def is_over(self) -> bool:
        """Whether all records were sent."""
        return self._taken == len(self._records)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def finish(self) -> None:
        """Send no more; return when all that was sent is durable."""
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._sender.flush()
        self._pipeline.close()

    def _run(self) -> None:
        try:
            self._send()
        except BaseException as error:
            self._failure = error
            raise

    def _send(self) -> None:
        began = time.monotonic()
        while not self.is_over and not self._stopping.wait(TICK_SECONDS):
            due = int((time.monotonic() - began - self.held_seconds) * self._rate) - self.payments
            while due > 0 and not self.is_over and not self._stopping.is_set():
                due -= self._one()
            self._sender.send(PAYMENTS, [])

    def _one(self) -> int:
        record = self._records[self._taken]
        self._await_room(record.time)
        self._sender.send(record.topic, [(record.key, record.value)])
        self._taken += 1
        self.payments += record.is_payment
        return record.is_payment

    def _await_room(self, event_time: int) -> None:
        began = time.monotonic()
        while event_time > self._limit and not self._stopping.is_set():
            self._look()
            if event_time > self._limit:
                self._stopping.wait(LOOK_SECONDS)
        self.held_seconds += time.monotonic() - began

    def _look(self) -> None:
        try:
            self._sender.flush()  # what waits here the services have not seen
            found = self._pipeline.slowest()
        except (KafkaException, DependencyError):  # the broker is away: nobody moves
            return
        reached = self._records[self._taken].time if found is None else found[0]
        if reached is not None:
            self._limit = max(self._limit, reached + DAY)
