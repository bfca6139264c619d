"""Raw labels checked field by field, and written as `labels.v1`."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.messages import RawLabel, microseconds
from services.ingest.payments import checked_text, checked_time
from services.ingest.reasons import InvalidMessage, Reason
from shared.wire import long_bytes, text_bytes

LABELS = {"genuine": long_bytes(0), "fraud": long_bytes(1)}


@dataclass(frozen=True, slots=True)
class Label:
    """A checked label: id, time, and its bytes before accepted_at."""

    transaction_id: bytes
    label_time: int
    front: bytes


def checked_label(raw: RawLabel, max_length: int) -> Label:
    """Return a label.

    Raises
    ------
    InvalidMessage
        If a field holds what it may not.
    """
    name = checked_text("transaction_id", raw.transaction_id, max_length)
    origin = checked_text("origin", raw.origin, max_length)
    if raw.label not in LABELS:
        raise InvalidMessage(Reason.WRONG_TYPE, "label is neither genuine nor fraud")
    time = checked_time(microseconds(raw.label_time))
    front = (text_bytes(name), LABELS[raw.label], long_bytes(time), text_bytes(origin))
    return Label(name, time, b"".join(front))
