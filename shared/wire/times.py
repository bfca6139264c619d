"""The time of each record, found without decoding the rest."""

from __future__ import annotations

from functools import cache

import schemas
from shared.wire.fields import fields
from shared.wire.framing import WireError, schema_name
from shared.wire.joined import Ints, Joined


def event_times(records: Joined) -> Ints:
    """Return the first time field of framed records of one schema: event_time, of labels label_time.

    Returns
    -------
    numpy.ndarray
        Microseconds UTC, shape (n,).
    """
    name = _time_field(schema_name(records.content))
    return fields(records, [name]).numbers(name)


@cache
def _time_field(name: str) -> str:
    for field in schemas.avro(name)["fields"]:
        if isinstance(field["type"], dict) and field["type"].get("logicalType") == "timestamp-micros":
            return str(field["name"])
    raise WireError(f"{name} has no time")
