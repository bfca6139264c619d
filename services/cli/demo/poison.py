"""Bad input of every kind that ingest knows, each with the reason for which it must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shared import wire

PAYMENTS, LABELS = "transactions.raw.v1", "labels.raw.v1"
DAY = 86_400_000_000
FAR = 9 * DAY  # beyond ingest.too_old_days and ingest.future_days


class Poison(NamedTuple):
    """A raw record; ``reason`` is empty for the good ones that a bad one needs before it."""

    topic: str
    key: bytes
    value: bytes
    reason: str


def poison(number: int, event_time: int) -> Iterator[Poison]:
    """Yield a bad record, of another kind with each number, after the good one it may need.

    Parameters
    ----------
    number
        Counted from 0; it names the record.
    event_time
        A time near the newest of all partitions, microseconds.
    """
    yield from KINDS[number % len(KINDS)](f"poison-{number}", event_time)


def _payment(name: str, event_time: int, **changes: Any) -> bytes:
    return json.dumps(_fields(name, event_time) | changes).encode()


def _fields(name: str, event_time: int) -> dict[str, Any]:
    who = {"transaction_id": name, "customer_id": name, "terminal_id": "m0"}
    return {**who, "event_time": event_time, "amount": 1000, "currency": "EUR"}


def _of(reason: str, make: Callable[[str, int], bytes]) -> Callable[[str, int], Iterator[Poison]]:
    def kind(name: str, event_time: int) -> Iterator[Poison]:
        yield Poison(PAYMENTS, name.encode(), make(name, event_time), reason)

    return kind


def _without(name: str, event_time: int) -> bytes:
    return json.dumps({k: v for k, v in _fields(name, event_time).items() if k != "amount"}).encode()


def _repeated(name: str, event_time: int) -> Iterator[Poison]:
    yield Poison(PAYMENTS, name.encode(), _payment(name, event_time), "")
    other = _payment(name, event_time, amount=2000)
    yield Poison(PAYMENTS, name.encode(), other, "repeated_id_other_content")


def _timed(reason: str, by: int) -> Callable[[str, int], Iterator[Poison]]:
    def kind(name: str, event_time: int) -> Iterator[Poison]:
        yield Poison(PAYMENTS, name.encode(), _payment(f"{name}-before", event_time), "")
        yield Poison(PAYMENTS, name.encode(), _payment(name, event_time + by), reason)

    return kind


def _label(name: str, event_time: int) -> Iterator[Poison]:
    content = {"transaction_id": name, "label": "perhaps", "label_time": event_time, "origin": "chargeback"}
    yield Poison(LABELS, name.encode(), json.dumps(content).encode(), "wrong_type")


KINDS: tuple[Callable[[str, int], Iterator[Poison]], ...] = (
    _of("unparsable", lambda name, time: _payment(name, time)[:-5]),
    _of("wrong_type", lambda name, time: _payment(name, time, amount="ten")),
    _of("missing_field", _without),
    _of("unknown_currency", lambda name, time: _payment(name, time, currency="ZZZ")),
    _of("amount_out_of_range", lambda name, time: _payment(name, time, amount=-1)),
    _timed("time_in_the_future", FAR),
    _timed("time_too_old", -FAR),
    _of("id_too_long", lambda name, time: _payment(name, time, terminal_id="m" * 100)),
    _of("invalid_text", lambda name, time: _payment(name, time, terminal_id="")),
    _of("unknown_schema", lambda name, time: b"\0\0\0\0\x01" + name.encode()),
    _of("oversize", lambda name, time: _payment(name, time, country="F" * 70_000)),
    _of("nested_too_deep", lambda name, time: b'{"a":' * 50 + b"1" + b"}" * 50),
    _of("trailing_bytes", lambda name, time: wire.encode(PAYMENTS, _fields(name, time)) + b"\1"),
    _of("forbidden_field", lambda name, time: _payment(name, time, cvv="123")),
    _repeated,
    _label,
)
