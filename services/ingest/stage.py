"""Raw records become payments, labels, counted repeats or dead letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from services.ingest.categories import counted
from services.ingest.columns import PaymentReader, Payments
from services.ingest.labels import checked_label
from services.ingest.messages import RawLabel, RawPayment, Reader
from services.ingest.payments import PaymentChecks
from services.ingest.reasons import InvalidMessage, Reason
from services.ingest.repeats import Sequence, Verdict, Verdicts, judge
from services.ingest.sketches import IngestSketches
from services.ingest.store import Mark, Store
from services.ingest.times import IN_THE_FUTURE, TOO_OLD, US_PER_MS, TimeLimits
from shared import wire
from shared.settings.model import IngestSettings
from shared.stream import Batch, Input, Outgoing, Stage
from shared.stream.dead_letters import DeadLetters
from shared.stream.forbidden import may_hold_forbidden
from shared.wire.framing import header
from shared.wire.joined import Ints

PAYMENTS, LABELS = "transactions.raw.v1", "labels.raw.v1"
DAY = 86_400_000_000
REFUSED = {
    Verdict.OTHER_CONTENT: InvalidMessage(
        Reason.REPEATED_ID_OTHER_CONTENT, "another payment came before under this transaction_id"
    ),
    Verdict.TOO_OLD: TOO_OLD,
    Verdict.IN_THE_FUTURE: IN_THE_FUTURE,
}
LABELS_APART = 60 * DAY  # labels are rare: the next of a partition may be this far ahead of the last


@dataclass(slots=True)
class Output:
    """What a batch gives, by topic."""

    keys: dict[str, list[bytes]] = field(default_factory=dict)
    values: dict[str, list[bytes]] = field(default_factory=dict)

    def extend(self, topic: str, keys: list[bytes], values: list[bytes]) -> None:
        """Add records."""
        self.keys.setdefault(topic, []).extend(keys)
        self.values.setdefault(topic, []).extend(values)

    def outgoing(self) -> list[Outgoing]:
        """Return the records."""
        return [Outgoing(topic, keys, self.values[topic]) for topic, keys in self.keys.items()]


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
    sketches
        Told the same, for the monitor.
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
        sketches: IngestSketches,
    ) -> None:
        self._folder, self._max_length = folder, settings.max_id_length
        self._letters, self._topic_of, self._told = letters, topic_of, count
        self._sketches = sketches
        limits = settings.max_bytes, settings.max_depth
        reader = Reader(RawPayment, PAYMENTS, limits, self._unknown)
        self._payments = PaymentReader(checks, reader, settings.max_bytes)
        self._labels = Reader(RawLabel, LABELS, limits, self._unknown)
        self._times = TimeLimits(int(settings.future_days * DAY), int(settings.too_old_days * DAY))
        self._label_times = TimeLimits(max(self._times.future, LABELS_APART), None)
        self._horizon = settings.id_horizon_days * DAY
        self._stores: dict[int, Store] = {}
        self._reached: dict[tuple[int, str], tuple[int, Mark | None]] = {}
        self._labels_header = header("labels.v1")

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
        if batch.topic == PAYMENTS:
            self._take_payments(batch, output)
        else:
            self._take_labels(batch, output)
        return [*output.outgoing(), *self._sketches.add(batch, self._newest(batch))]

    def acknowledged(self, partition: int, topic: str, offset: int) -> None:
        """Forget what no restart can ask for."""
        store = self._stores.get(partition)
        mark = store.mark(topic, offset) if store is not None else None
        if store is None or mark is None:
            return
        before = mark.event_time - self._horizon if topic == PAYMENTS else 0
        store.forget(topic, offset, before)
        store.write()

    def _count(self, result: str, number: int) -> None:
        self._told(result, number)
        self._sketches.count(result, number)

    def _newest(self, batch: Batch) -> int | None:
        marks = [self._reached[held, batch.topic][1] for held in set(batch.partitions.tolist())]
        return max((mark.event_time for mark in marks if mark is not None), default=None)

    def _mark(self, batch: Batch, partition: int) -> Mark | None:
        first = int(batch.offsets[batch.partitions == partition][0])
        following, mark = self._reached.get((partition, batch.topic), (-1, None))
        return mark if following == first else self._stores[partition].mark(batch.topic, first)

    def _keep(self, batch: Batch, partition: int, mark: Mark | None) -> None:
        following = int(batch.offsets[batch.partitions == partition][-1]) + 1
        store = self._stores[partition]
        store.put_mark(batch.topic, following, mark)
        store.write()
        self._reached[partition, batch.topic] = following, mark

    def _take_payments(self, batch: Batch, output: Output) -> None:
        payments = self._payments.read(batch.values, lambda row, why: self._refuse(batch, row, why, output))
        verdicts = np.empty(len(payments.rows), np.int8)
        held = batch.partitions[payments.rows]
        for partition in sorted(set(batch.partitions.tolist())):
            chosen = np.flatnonzero(held == partition)
            mark = self._mark(batch, partition)
            if chosen.size:
                verdicts[chosen], mark = self._judged(batch, partition, payments, chosen, mark)
            self._keep(batch, partition, mark)
        for number in np.flatnonzero(verdicts > Verdict.REPEAT).tolist():
            self._refuse(batch, int(payments.rows[number]), REFUSED[verdicts[number]], output)
        self._count("repeat", int(np.count_nonzero(verdicts == Verdict.REPEAT)))
        self._send(batch, payments, np.flatnonzero(verdicts == Verdict.TAKEN), output)

    def _judged(
        self, batch: Batch, partition: int, payments: Payments, chosen: Ints, mark: Mark | None
    ) -> tuple[Verdicts, Mark | None]:
        rows, names = payments.rows[chosen], [payments.names[number] for number in chosen.tolist()]
        numbers: dict[bytes, int] = {}
        which = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
        store = self._stores[partition]
        entries = store.entries(list(numbers))
        places = batch.offsets[rows], payments.event_times[chosen], batch.accepted_ms[rows]
        sequence = Sequence(which, *places, payments.digests[chosen])
        found = judge(sequence, entries, mark, self._times, self._horizon)
        store.put(list(numbers), entries)
        return found

    def _send(self, batch: Batch, payments: Payments, taken: Ints, output: Output) -> None:
        if not taken.size:
            return
        rows = payments.rows[taken]
        places = batch.partitions[rows].astype(np.int64), batch.offsets[rows]
        values = payments.framed(taken, places, batch.accepted_ms[rows] * US_PER_MS)
        keys = [payments.customers[number] for number in taken.tolist()]
        output.extend("transactions.v1", keys, values)
        self._count("payment", len(values))
        for category, number in counted(payments.content, payments.parts[taken]).items():
            self._sketches.count(category, number)

    def _take_labels(self, batch: Batch, output: Output) -> None:
        for partition in sorted(set(batch.partitions.tolist())):
            mark = self._mark(batch, partition)
            for row in np.flatnonzero(batch.partitions == partition).tolist():
                accepted_ms = int(batch.accepted_ms[row])
                try:
                    label = checked_label(self._labels.read(batch.values[row] or b""), self._max_length)
                    mark = self._label_times.advanced(mark, label.label_time, accepted_ms)
                except InvalidMessage as invalid:
                    self._refuse(batch, row, invalid, output)
                    continue
                source = wire.source_bytes(partition, int(batch.offsets[row]))
                value = self._labels_header + source + label.front + wire.long_bytes(accepted_ms * US_PER_MS)
                output.extend("labels.v1", [label.transaction_id], [value])
                self._count("label", 1)
            self._keep(batch, partition, mark)

    def _refuse(self, batch: Batch, row: int, invalid: InvalidMessage, output: Output) -> None:
        key, value = batch.keys[row] or b"", batch.values[row] or b""
        is_kept = invalid.reason != Reason.FORBIDDEN_FIELD and not may_hold_forbidden(key + value)
        place = int(batch.partitions[row]), int(batch.offsets[row]), int(batch.accepted_ms[row])
        topic = self._topic_of(batch.topic)
        letter = self._letters.letter(topic, key, value, place, invalid.reason, invalid.detail, is_kept)
        output.extend("dead-letters.v1", [letter[0]], [letter[1]])
        self._count(invalid.reason, 1)

    def _unknown(self, fields: int) -> None:
        self._count("unknown_field", fields)
