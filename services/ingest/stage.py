"""Raw records become payments, labels, counted repeats or dead letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from services.ingest.labels import checked_label
from services.ingest.messages import RawLabel, RawPayment, Reader
from services.ingest.payments import Payment, PaymentChecks
from services.ingest.reasons import InvalidMessage, Reason
from services.ingest.store import Entry, Mark, Store
from services.ingest.times import US_PER_MS, TimeLimits
from shared import wire
from shared.settings.model import IngestSettings
from shared.stream import Batch, Input, Outgoing, Stage
from shared.stream.dead_letters import DeadLetters
from shared.stream.forbidden import may_hold_forbidden
from shared.wire.framing import header

PAYMENTS, LABELS = "transactions.raw.v1", "labels.raw.v1"
DAY = 86_400_000_000
LABELS_APART = 60 * DAY  # labels are rare: the next of a partition may be this far ahead of the last
Read = TypeVar("Read")


@dataclass(slots=True)
class Output:
    """What a batch gives, by topic."""

    keys: dict[str, list[bytes]] = field(default_factory=dict)
    values: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, topic: str, key: bytes, value: bytes) -> None:
        """Add a record."""
        self.keys.setdefault(topic, []).append(key)
        self.values.setdefault(topic, []).append(value)

    def outgoing(self) -> list[Outgoing]:
        """Return the records."""
        return [Outgoing(topic, keys, self.values[topic]) for topic, keys in self.keys.items()]


@dataclass(slots=True)
class Work:
    """A batch's records of one partition, and the partition's mark as it advances."""

    batch: Batch
    rows: list[int]
    store: Store
    mark: Mark | None

    def accepted_ms(self, row: int) -> int:
        """Return the broker time of a record, milliseconds."""
        return int(self.batch.accepted_ms[row])

    def source(self, row: int) -> bytes:
        """Return the place of a record."""
        return wire.source_bytes(int(self.batch.partitions[row]), int(self.batch.offsets[row]))


class IngestStage(Stage):
    """The only stage that meets bytes from outside.

    Parameters
    ----------
    folder
        Where the stores of the partitions lie.
    checks
        What a payment must hold.
    topic_of
        The broker's name of a topic, for dead letters.
    count
        Told what became of how many records: result and number.
    """

    inputs = (Input(PAYMENTS, "raw"), Input(LABELS, "raw"))
    has_store = True

    def __init__(
        self,
        folder: Path,
        settings: IngestSettings,
        checks: PaymentChecks,
        letters: DeadLetters,
        topic_of: Callable[[str], str],
        count: Callable[[str, int], None],
    ) -> None:
        self._folder, self._settings, self._checks = folder, settings, checks
        self._letters, self._topic_of, self._count = letters, topic_of, count
        limits = settings.max_bytes, settings.max_depth
        self._payments = Reader(RawPayment, PAYMENTS, limits, self._unknown)
        self._labels = Reader(RawLabel, LABELS, limits, self._unknown)
        self._times = TimeLimits(int(settings.future_days * DAY), int(settings.too_old_days * DAY))
        self._label_times = TimeLimits(max(self._times.future, LABELS_APART), None)
        self._horizon = settings.id_horizon_days * DAY
        self._stores: dict[int, Store] = {}
        self._reached: dict[tuple[int, str], tuple[int, Mark | None]] = {}
        self._payments_header, self._labels_header = header("transactions.v1"), header("labels.v1")

    def applied(self, partition: int) -> dict[str, int]:
        """Open the partition's store; return how far it is."""
        self._stores[partition] = store = Store(self._folder / str(partition))
        return dict(store.applied)

    def release(self, partition: int) -> None:
        """Close the partition's store."""
        self._stores.pop(partition).close()
        for topic in (PAYMENTS, LABELS):
            self._reached.pop((partition, topic), None)

    def close(self) -> None:
        """Close all stores."""
        for partition in list(self._stores):
            self.release(partition)

    def process(self, batch: Batch) -> list[Outgoing]:
        """Check a batch of raw payments or raw labels."""
        output = Output()
        take = self._take_payments if batch.topic == PAYMENTS else self._take_labels
        for partition in sorted(set(batch.partitions.tolist())):
            work = self._work(batch, partition)
            take(work, output)
            following = int(batch.offsets[work.rows[-1]]) + 1
            work.store.put_mark(batch.topic, following, work.mark)
            work.store.write()
            self._reached[partition, batch.topic] = following, work.mark
        return output.outgoing()

    def acknowledged(self, partition: int, topic: str, offset: int) -> None:
        """Forget what no restart can ask for."""
        store = self._stores.get(partition)
        mark = store.mark(topic, offset) if store is not None else None
        if store is None or mark is None:
            return
        before = mark.event_time - self._horizon if topic == PAYMENTS else 0
        store.forget(topic, offset, before)
        store.write()

    def _work(self, batch: Batch, partition: int) -> Work:
        rows = np.flatnonzero(batch.partitions == partition).tolist()
        store, first = self._stores[partition], int(batch.offsets[rows[0]])
        following, mark = self._reached.get((partition, batch.topic), (-1, None))
        return Work(batch, rows, store, mark if following == first else store.mark(batch.topic, first))

    def _take_payments(self, work: Work, output: Output) -> None:
        payments = self._read(work, lambda value: self._checks.check(self._payments.read(value)), output)
        names = [payment.transaction_id for _, payment in payments]
        known = dict(zip(names, work.store.entries(names), strict=True))
        fresh: dict[bytes, Entry] = {}
        for row, payment in payments:
            name, offset = payment.transaction_id, int(work.batch.offsets[row])
            try:
                mark = self._times.advanced(work.mark, payment.event_time, work.accepted_ms(row))
                first = fresh.get(name) or known[name]
                if first is not None and self._is_repeat(first, offset, payment, mark):
                    self._count("repeat", 1)
                    continue
            except InvalidMessage as invalid:
                self._refuse(work.batch, row, invalid, output)
                continue
            work.mark = mark
            if first is None or first.offset != offset:
                fresh[name] = Entry(offset, payment.event_time, payment.digest)
            output.add("transactions.v1", payment.customer_id, self._payment(work, row, payment))
            self._count("payment", 1)
        work.store.put(fresh)

    def _is_repeat(self, first: Entry, offset: int, payment: Payment, mark: Mark) -> bool:
        if first.offset >= offset or first.event_time < mark.event_time - self._horizon:
            return False
        if first.digest != payment.digest:
            raise InvalidMessage(
                Reason.REPEATED_ID_OTHER_CONTENT, "another payment came before under this transaction_id"
            )
        return True

    def _take_labels(self, work: Work, output: Output) -> None:
        most = self._settings.max_id_length
        for row, label in self._read(
            work, lambda value: checked_label(self._labels.read(value), most), output
        ):
            try:
                work.mark = self._label_times.advanced(work.mark, label.label_time, work.accepted_ms(row))
            except InvalidMessage as invalid:
                self._refuse(work.batch, row, invalid, output)
                continue
            front = self._labels_header + work.source(row) + label.front
            accepted = wire.long_bytes(work.accepted_ms(row) * US_PER_MS)
            output.add("labels.v1", label.transaction_id, front + accepted)
            self._count("label", 1)

    def _payment(self, work: Work, row: int, payment: Payment) -> bytes:
        accepted = wire.long_bytes(work.accepted_ms(row) * US_PER_MS)
        return self._payments_header + work.source(row) + payment.front + accepted + payment.back

    def _read(self, work: Work, read: Callable[[bytes], Read], output: Output) -> list[tuple[int, Read]]:
        found = []
        for row in work.rows:
            try:
                found.append((row, read(work.batch.values[row] or b"")))
            except InvalidMessage as invalid:
                self._refuse(work.batch, row, invalid, output)
        return found

    def _refuse(self, batch: Batch, row: int, invalid: InvalidMessage, output: Output) -> None:
        key, value = batch.keys[row] or b"", batch.values[row] or b""
        is_kept = invalid.reason != Reason.FORBIDDEN_FIELD and not may_hold_forbidden(key + value)
        place = int(batch.partitions[row]), int(batch.offsets[row]), int(batch.accepted_ms[row])
        topic = self._topic_of(batch.topic)
        letter = self._letters.letter(topic, key, value, place, invalid.reason, invalid.detail, is_kept)
        output.add("dead-letters.v1", *letter)
        self._count(invalid.reason, 1)

    def _unknown(self, fields: int) -> None:
        self._count("unknown_field", fields)
