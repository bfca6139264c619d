"""Payments of a batch read, checked and written at once; those that are not plain go one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.ingest import written
from services.ingest.messages import RawPayment, Reader
from services.ingest.payments import Payment, PaymentChecks
from services.ingest.plain_json import PlainJson
from services.ingest.reasons import InvalidMessage
from shared.wire.fields import ABSENT, WHOLE, walk
from shared.wire.framing import header
from shared.wire.joined import Bytes, Ints, Joined, join, split

RAW, OUTPUT = "transactions.raw.v1", "transactions.v1"
NAME, TIME, CUSTOMER = 0, 1, 2
Mask = npt.NDArray[np.bool_]
Refuse = Callable[[int, InvalidMessage], None]


@dataclass(frozen=True, slots=True)
class Payments:
    """Checked payments, in the order of their rows in the batch.

    ``parts`` has shape (n, 3): where in ``content`` a payment begins, where ``accepted_at`` is due, and
    where it ends. ``digests`` are of what it says, whatever form it came in.
    """

    rows: Ints
    names: list[bytes]
    customers: list[bytes]
    event_times: Ints
    content: Bytes
    parts: Ints
    digests: Ints

    def framed(self, chosen: Ints, places: tuple[Ints, Ints], accepted_at: Ints) -> list[bytes]:
        """Return the chosen payments as records of transactions.v1.

        Parameters
        ----------
        chosen
            Numbers of payments, ascending.
        places, accepted_at
            Partition and offset, and broker time in microseconds, of the raw record of each of these.
        """
        front = np.frombuffer(header(OUTPUT), np.uint8)
        content, ends = written.framed(self.content, self.parts[chosen], front, places, accepted_at)
        return split(content.tobytes(), ends)


class PaymentReader:
    """Reads raw payments, JSON or Confluent Avro, into what `PaymentChecks` allows."""

    def __init__(self, checks: PaymentChecks, reader: Reader[RawPayment], max_bytes: int) -> None:
        self._checks, self._reader, self._max_bytes = checks, reader, max_bytes
        self._json = PlainJson(RAW)
        self._tables = written.tables(checks)

    def read(self, values: Sequence[bytes], refuse: Refuse) -> Payments:
        """Return the payments of a batch; ``refuse`` is told of the rows that hold none."""
        records = join(values)
        places, is_plain = self._places(records)
        written.check(records.bytes, places, self._tables, is_plain)
        records = self._with_tokens(records, places, np.flatnonzero(is_plain))
        plain = np.flatnonzero(is_plain)
        content, parts = written.write(records.bytes, places[plain], self._tables)
        one_by_one = self._with_care(values, np.flatnonzero(~is_plain), refuse)
        names, customers = (_texts(records, places[plain, field]) for field in (NAME, CUSTOMER))
        fast = _Part(plain, names, customers, places[plain, TIME, 0], content, parts)
        return _together(fast, one_by_one)

    def _places(self, records: Joined) -> tuple[Ints, Mask]:
        is_avro = written.has_front(records.bytes, records.ends, np.frombuffer(header(RAW), np.uint8))
        if is_avro.any():
            places, found = walk(records, RAW, self._json.names)
            is_plain = (found == WHOLE) & is_avro
            if not is_avro.all():
                self._json.fill(records, np.flatnonzero(~is_avro), places, is_plain)
        else:
            places, is_plain = self._json.places(records)
        is_plain &= np.diff(records.ends, prepend=0) <= self._max_bytes
        return places, is_plain

    def _with_tokens(self, records: Joined, places: Ints, plain: Ints) -> Joined:
        tokens, at = [], len(records.content)
        for field in (self._json.names.index(name) for name in sorted(self._checks.token_fields)):
            spans = places[plain, field]
            rows = plain[spans[:, 0] != ABSENT]
            for row, text in zip(rows.tolist(), _texts(records, places[rows, field]), strict=True):
                tokens.append(self._checks.token(text))
                places[row, field] = at, at + len(tokens[-1])
                at += len(tokens[-1])
        return Joined(b"".join((records.content, *tokens)), records.ends) if tokens else records

    def _with_care(self, values: Sequence[bytes], rows: Ints, refuse: Refuse) -> list[tuple[int, Payment]]:
        found = []
        for row in rows.tolist():
            try:
                found.append((row, self._checks.check(self._reader.read(values[row] or b""))))
            except InvalidMessage as invalid:
                refuse(row, invalid)
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    rows: Ints
    names: list[bytes]
    customers: list[bytes]
    event_times: Ints
    content: Bytes
    parts: Ints


def _together(fast: _Part, one_by_one: list[tuple[int, Payment]]) -> Payments:
    content, parts, rows, times = fast.content, fast.parts, fast.rows, fast.event_times
    names, customers = fast.names, fast.customers
    if one_by_one:
        payments = [payment for _, payment in one_by_one]
        sides = join([side for payment in payments for side in (payment.front, payment.back)])
        starts = np.concatenate(([0], sides.ends[1:-1:2]))
        more = np.stack((starts, sides.ends[::2], sides.ends[1::2]), axis=1) + len(content)
        order = np.argsort(np.concatenate((rows, [row for row, _ in one_by_one])).astype(np.int64))
        rows = np.concatenate((rows, [row for row, _ in one_by_one])).astype(np.int64)[order]
        times = np.concatenate((times, [payment.event_time for payment in payments])).astype(np.int64)[order]
        parts, content = np.concatenate((parts, more))[order], np.concatenate((content, sides.bytes))
        names = names + [payment.transaction_id for payment in payments]
        customers = customers + [payment.customer_id for payment in payments]
        names, customers = ([texts[at] for at in order.tolist()] for texts in (names, customers))
    return Payments(rows, names, customers, times, content, parts, written.digests(content, parts))


def _texts(records: Joined, spans: Ints) -> list[bytes]:
    content = records.content
    return [content[first:last] for first, last in spans.tolist()]
