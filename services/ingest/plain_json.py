"""Plain JSON as columns: flat objects of known fields, each once, in printable ASCII without escapes.

What is not plain is no error: it is read with care, one record at a time, by `json_text`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import schemas
from shared.compiled import compiled
from shared.wire import Joined
from shared.wire.fields import ABSENT
from shared.wire.joined import Bytes, Ints, join

TEXT, AMOUNT, TIME, OPTIONAL = range(4)
MOST_DIGITS = 18  # any such number fits a long


class PlainJson:
    """Finds the fields of one flat schema of texts, longs and times."""

    def __init__(self, schema: str) -> None:
        declared = schemas.avro(schema)["fields"]
        self.names = tuple(str(field["name"]) for field in declared)
        self._known = join([name.encode() for name in self.names])
        self._kinds = np.array([_kind(field["type"]) for field in declared])

    def places(self, records: Joined) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return places of fields as `wire.Fields` has them, and which records are plain.

        Returns
        -------
        places, is_plain
            Shapes (n, fields, 2) and (n,). Numbers and times (microseconds) stand as values; an absent
            field has -1. Where a record is not plain its places mean nothing.
        """
        places = np.full((len(records), len(self.names), 2), ABSENT, np.int64)
        is_plain = np.zeros(len(records), np.bool_)
        self.fill(records, np.arange(len(records)), places, is_plain)
        return places, is_plain

    def fill(self, records: Joined, rows: Ints, places: Ints, is_plain: npt.NDArray[np.bool_]) -> None:
        """Look for these rows alone, and write what `places` returns of them into ``places, is_plain``."""
        places[rows] = ABSENT
        names = self._known.bytes, self._known.ends, self._kinds
        _scan((records.bytes, records.ends), names, rows, places, is_plain)


def _kind(declared: Any) -> int:
    if isinstance(declared, dict):
        return TIME
    return {"string": TEXT, "long": AMOUNT}.get(declared, OPTIONAL) if isinstance(declared, str) else OPTIONAL


@compiled
def _scan(records: Any, names: Any, rows: Ints, places: Ints, is_plain: npt.NDArray[np.bool_]) -> None:
    content, ends = records
    for row in rows:
        start = ends[row - 1] if row else 0
        is_plain[row] = _object(content, start, ends[row], names, places[row])


@compiled
def _object(content: Bytes, at: int, end: int, names: Any, places: Ints) -> bool:
    kinds = names[2]
    at = _token(content, at, end, 0x7B)  # {
    seen = 0
    while at >= 0:
        first = _token(content, at, end, 0x22)  # "
        last = _text_end(content, first, end)
        field = _field(content, first, last, names)
        at = _token(content, last + 1, end, 0x3A) if field >= 0 else -1  # :
        if at < 0 or seen >> field & 1:
            return False
        seen |= 1 << field
        at = _value(content, _space(content, at, end), end, kinds[field], places[field])
        if at < 0:
            return False
        after = _token(content, at, end, 0x2C)  # ,
        if after < 0:
            at = _token(content, at, end, 0x7D)  # }
            break
        at = after
    if at < 0 or _space(content, at, end) != end:
        return False
    missing = 0
    for field in range(len(kinds)):
        missing += kinds[field] != 3 and not seen >> field & 1
    return missing == 0


@compiled
def _space(content: Bytes, at: int, end: int) -> int:
    while at < end and (
        content[at] == 0x20 or content[at] == 0x0A or content[at] == 0x0D or content[at] == 0x09
    ):
        at += 1
    return at


@compiled
def _token(content: Bytes, at: int, end: int, due: int) -> int:
    """Return what follows a character and the white space before it, -1 where it does not stand there."""
    at = _space(content, at, end)
    return at + 1 if at < end and content[at] == due else -1


@compiled
def _text_end(content: Bytes, at: int, end: int) -> int:
    """Return where the quotation mark stands that ends a text, -1 where the text is not plain."""
    if at < 0:
        return -1
    while at < end and 0x20 <= content[at] <= 0x7E and content[at] != 0x5C:
        if content[at] == 0x22:
            return at
        at += 1
    return -1


@compiled
def _field(content: Bytes, first: int, last: int, names: Any) -> int:
    known, ends, _ = names
    if last < 0:
        return -1
    start = 0
    for field in range(len(ends)):
        if ends[field] - start == last - first and _is_same(content, first, known, start, last - first):
            return field
        start = ends[field]
    return -1


@compiled
def _is_same(content: Bytes, at: int, other: Bytes, start: int, length: int) -> bool:
    same = 0
    while same < length and content[at + same] == other[start + same]:
        same += 1
    return same == length


@compiled
def _value(content: Bytes, at: int, end: int, kind: int, place: Ints) -> int:
    if at >= end:
        return -1
    if content[at] == 0x22 and kind != 1:
        last = _text_end(content, at + 1, end)
        if last < 0:
            return -1
        place[0], place[1] = at + 1, last
        if kind == 2:
            place[0] = _time(content, at + 1, last)
            return -1 if place[0] < 0 else last + 1
        return last + 1
    if kind == 1 or kind == 2:
        return _whole(content, at, end, place)
    is_null = kind == 3 and at + 4 <= end and content[at] == 0x6E
    if is_null and content[at + 1] == 0x75 and content[at + 2] == 0x6C and content[at + 3] == 0x6C:
        return at + 4
    return -1


@compiled
def _whole(content: Bytes, at: int, end: int, place: Ints) -> int:
    """Take a whole number >= 0 of at most 18 digits."""
    first, number = at, 0
    while at < end and 0x30 <= content[at] <= 0x39 and at - first <= MOST_DIGITS:
        number = number * 10 + (content[at] - 0x30)
        at += 1
    digits = at - first
    if digits == 0 or digits > MOST_DIGITS or (digits > 1 and content[first] == 0x30):
        return -1
    if at < end and (content[at] == 0x2E or content[at] == 0x65 or content[at] == 0x45):  # . e E
        return -1
    place[0] = number
    return at


@compiled
def _digits(content: Bytes, at: int, count: int) -> int:
    number = 0
    for place in range(at, at + count):
        if not 0x30 <= content[place] <= 0x39:
            return -1
        number = number * 10 + (content[place] - 0x30)
    return number


@compiled
def _time(content: Bytes, first: int, last: int) -> int:
    """Return the microseconds of a time like 2026-01-31T12:00:00.5Z, -1 where it is not just so."""
    if last - first < 20 or last - first > 27 or content[last - 1] != 0x5A or not _has_marks(content, first):
        return -1
    year, month = _digits(content, first, 4), _digits(content, first + 5, 2)
    day, hour = _digits(content, first + 8, 2), _digits(content, first + 11, 2)
    minute, second = _digits(content, first + 14, 2), _digits(content, first + 17, 2)
    micros = _micros(content, first + 19, last - 1)
    if year < 1970 or not 1 <= month <= 12 or not 1 <= day <= _days(year, month) or micros < 0:
        return -1
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return -1
    minutes = (_days_since_1970(year, month, day) * 24 + hour) * 60 + minute
    return (minutes * 60 + second) * 1_000_000 + micros


@compiled
def _has_marks(content: Bytes, first: int) -> bool:
    has_dashes = content[first + 4] == 0x2D and content[first + 7] == 0x2D
    has_colons = content[first + 13] == 0x3A and content[first + 16] == 0x3A
    return bool(has_dashes and content[first + 10] == 0x54 and has_colons)  # T


@compiled
def _micros(content: Bytes, at: int, end: int) -> int:
    if at == end:
        return 0
    places = end - at - 1
    micros = _digits(content, at + 1, places) if content[at] == 0x2E and places > 0 else -1
    for _ in range(places, 6):
        micros *= 10
    return micros


@compiled
def _days_since_1970(year: int, month: int, day: int) -> int:
    days = day - 1
    for each in range(1970, year):
        days += 366 if _is_leap(each) else 365
    for each in range(1, month):
        days += _days(year, each)
    return days


@compiled
def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@compiled
def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if _is_leap(year) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
