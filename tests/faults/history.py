"""Payments with their labels as raw records in the order of event time, the same ones for a seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import polars as pl

from services.replay.delayed import DelayedLabel, Delays
from services.replay.records import FORMATS, LABELS, PAYMENTS
from services.replay.simulator import Simulation

DAYS = 365
SLICE = 500  # payments of one form: JSON and Avro take turns
# Labels come soon, so that many of them count within a few days; some are sent twice, some corrected.
DELAYS = Delays(0.05, 1.0, genuine_share=0.02, repeated_share=0.05, corrected_share=0.05)


class Raw(NamedTuple):
    """A raw record: when it is due in event time, whether it is a payment, its id, key and value."""

    time: int
    is_payment: bool
    name: str
    key: bytes
    value: bytes

    @property
    def topic(self) -> str:
        """The topic that it belongs to."""
        return PAYMENTS if self.is_payment else LABELS


def history(payments: int, entities: int, seed: int) -> list[Raw]:
    """Return so many payments of half as many customers as entities, and all their labels."""
    frame = _payments(payments, entities, seed)
    forms = list(FORMATS.values())
    records: list[Raw] = []
    for number, part in enumerate(frame.iter_slices(SLICE)):
        write_payments, write_labels = forms[number % len(forms)]
        rows = zip(part["event_time"].to_list(), part["transaction_id"].to_list(), strict=True)
        pairs = zip(rows, write_payments(part.drop("label")), strict=True)
        records += [Raw(time, True, name, key, value) for (time, name), (key, value) in pairs]
        records += _labels(DELAYS.labels(part), write_labels)
    return sorted(records, key=lambda each: each.time)


def _payments(count: int, entities: int, seed: int) -> pl.DataFrame:
    frames, found = [], 0
    for day in Simulation(customers=entities // 2, terminals=entities // 2, days=DAYS, seed=seed).frames():
        frames.append(day)
        found += day.height
        if found >= count:
            break
    return pl.concat(frames)[:count]


def _labels(labels: Iterable[DelayedLabel], write: object) -> Iterator[Raw]:
    known = list(labels)
    written = write(known)  # type: ignore[operator]
    for label, (key, value) in zip(known, written, strict=True):
        yield Raw(label.label_time, False, label.transaction_id, key, value)
