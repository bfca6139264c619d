"""Payments and labels as they come in: their fields, read from JSON or Confluent Avro."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from services.ingest import json_text
from services.ingest.reasons import InvalidMessage, Reason
from services.ingest.strict_avro import StrictReader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MISSING = "Object missing required field"
AVRO_MAGIC = 0

Time = int | Annotated[datetime, msgspec.Meta(tz=True)]
"""Microseconds since 1970 UTC, or RFC 3339 with an offset."""
Text = str | None | msgspec.UnsetType


class RawPayment(msgspec.Struct, forbid_unknown_fields=True):
    """A payment as it comes in; ``amount`` is in minor units of ``currency``."""

    transaction_id: str
    event_time: Time
    customer_id: str
    terminal_id: str
    amount: int
    currency: str
    channel: Text = msgspec.UNSET
    merchant_category: Text = msgspec.UNSET
    country: Text = msgspec.UNSET
    device_id: Text = msgspec.UNSET
    card_number: Text = msgspec.UNSET


class RawLabel(msgspec.Struct, forbid_unknown_fields=True):
    """A label as it comes in."""

    transaction_id: str
    label: str
    label_time: Time
    origin: str


Message = TypeVar("Message", RawPayment, RawLabel)


class Reader(Generic[Message]):
    """Reads messages of one kind.

    Parameters
    ----------
    kind
        RawPayment or RawLabel.
    schema
        Name of its Avro schema.
    max_bytes, max_depth
        Limits of a record's size and, in JSON, of nesting.
    on_unknown
        Told of fields that are not kept.
    """

    def __init__(
        self,
        kind: type[Message],
        schema: str,
        limits: tuple[int, int],
        on_unknown: Callable[[int], None],
    ) -> None:
        self._kind: type[Message] = kind
        self._names = frozenset(kind.__struct_fields__)
        self._avro = StrictReader(schema)
        self._max_bytes, self._max_depth = limits
        self._on_unknown = on_unknown

    def read(self, value: bytes) -> Message:
        """Return a message.

        Raises
        ------
        InvalidMessage
            If the bytes hold none.
        """
        if len(value) > self._max_bytes:
            raise InvalidMessage(Reason.OVERSIZE, f"{len(value)} bytes, at most {self._max_bytes} are taken")
        if not value:
            raise InvalidMessage(Reason.UNPARSABLE, "there are no bytes")
        if value[0] == AVRO_MAGIC:
            return self._kind(**self._avro.read(value))
        content = json_text.fields(value, self._max_depth)
        known = {name: field for name, field in content.items() if name in self._names}
        try:
            message = msgspec.convert(known, self._kind)
        except msgspec.ValidationError as error:
            reason = Reason.MISSING_FIELD if str(error).startswith(MISSING) else Reason.WRONG_TYPE
            raise InvalidMessage(reason, str(error)) from error
        if len(known) < len(content):
            self._on_unknown(len(content) - len(known))
        return message


def microseconds(time: Any) -> int:
    """Return a time as whole microseconds since 1970 UTC."""
    return time if isinstance(time, int) else (time - EPOCH) // MICROSECOND
