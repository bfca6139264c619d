"""Payments and labels as raw records: Confluent Avro or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import polars as pl

from services.replay.delayed import DelayedLabel
from services.replay.payments import OPTIONAL, REQUIRED
from shared.wire import long_bytes, optional_text_bytes, text_bytes
from shared.wire.framing import header

Record = tuple[bytes, bytes]
"""Key and value."""
PAYMENTS, LABELS = "transactions.raw.v1", "labels.raw.v1"


def avro_payments(frame: pl.DataFrame) -> list[Record]:
    """Return payments in the Confluent wire format, keyed by customer."""
    front = header(PAYMENTS)
    optional = [frame[name].to_list() if name in frame.columns else None for name in OPTIONAL]
    is_bare = all(column is None for column in optional)
    nothing = optional_text_bytes(None) * len(OPTIONAL)
    records = []
    for row, payment in enumerate(frame.select(*REQUIRED).iter_rows()):
        name, time, customer, terminal, amount, currency = payment
        key = customer.encode()
        fields = (text_bytes(name), long_bytes(time), text_bytes(key), text_bytes(terminal))
        end = nothing if is_bare else b"".join([_optional(column, row) for column in optional])
        records.append((key, b"".join((front, *fields, long_bytes(amount), text_bytes(currency), end))))
    return records


def json_payments(frame: pl.DataFrame) -> list[Record]:
    """Return payments as JSON objects, keyed by customer."""
    names = [name for name in (*REQUIRED, *OPTIONAL) if name in frame.columns]
    rows = frame.select(names).iter_rows(named=True)
    return [(row["customer_id"].encode(), _json(row)) for row in rows]


def avro_labels(labels: Iterable[DelayedLabel]) -> list[Record]:
    """Return labels in the Confluent wire format, keyed by transaction."""
    front = header(LABELS)
    return [
        (
            each.transaction_id.encode(),
            front
            + text_bytes(each.transaction_id)
            + text_bytes(each.label)
            + long_bytes(each.label_time)
            + text_bytes(each.origin),
        )
        for each in labels
    ]


def json_labels(labels: Iterable[DelayedLabel]) -> list[Record]:
    """Return labels as JSON objects, keyed by transaction."""
    return [(each.transaction_id.encode(), _json(each._asdict())) for each in labels]


FORMATS: Mapping[
    str, tuple[Callable[[pl.DataFrame], list[Record]], Callable[[Iterable[DelayedLabel]], list[Record]]]
] = {"avro": (avro_payments, avro_labels), "json": (json_payments, json_labels)}
"""How payments and labels are written, by name."""


def _json(row: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in row.items() if value is not None})


def _optional(column: list[Any] | None, row: int) -> bytes:
    value = column[row] if column is not None else None
    return optional_text_bytes(None if value is None else str(value))
