"""Checks of plain payments and their bytes in transactions.v1, in compiled loops over places of fields.

A place is first and end byte of a text and (-1, -1) where there is none, or a number itself. The fields
are those of transactions.raw.v1, in its order. What a loop does not allow is looked at again with care, by
`PaymentChecks`, which knows the reason.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from services.ingest.payments import EARLIEST, LATEST, PaymentChecks
from shared.compiled import compiled
from shared.wire.growth import put, put_front
from shared.wire.joined import Bytes, Ints, join

# Numba's cache of this file does not see changes of that one: an edit there must be an edit here.
GROWTH_DIGEST = "c1d2125aaa32d434"

EXTRA_BYTES = 128  # more than the lengths, branches and numbers of a payment take
TEXTS = (0, 2, 3, 5, 7, 8, 9, 10)  # fields that are written as they came
FRAME_BYTES = 22  # a source and a long
GREATEST_PRODUCT = 1 << 62
Mask = npt.NDArray[np.bool_]


class Tables(NamedTuple):
    """What a payment is checked by, as arrays."""

    codes: Ints
    """ISO codes, three letters as one number."""
    numerators: Ints
    denominators: Ints
    greatest: Ints
    channels: Bytes
    channel_ends: Ints
    max_length: int
    has_card_tokens: bool


def tables(checks: PaymentChecks) -> Tables:
    """Return the tables of `PaymentChecks`."""
    rates = {code: rate for code, rate in checks.currencies.items() if rate.numerator < GREATEST_PRODUCT >> 1}
    greatest = [
        min(each.greatest, GREATEST_PRODUCT // (2 * each.numerator) - each.denominator)
        for each in rates.values()
    ]
    channels = join([name.encode() for name in checks.channels])
    return Tables(
        np.array([int.from_bytes(code.encode(), "big") for code in rates], np.int64),
        np.array([each.numerator for each in rates.values()], np.int64),
        np.array([each.denominator for each in rates.values()], np.int64),
        np.array(greatest, np.int64),
        channels.bytes,
        channels.ends,
        checks.max_length,
        "card_number" in checks.token_fields,
    )


@numba.njit(cache=True)
def has_front(content: Bytes, ends: Ints, front: Bytes) -> Mask:
    """Return which records begin with ``front``."""
    found = np.zeros(len(ends), np.bool_)
    start = 0
    for row in range(len(ends)):
        found[row] = ends[row] - start >= len(front)
        for at in range(len(front)):
            found[row] = found[row] and content[start + at] == front[at]
        start = ends[row]
    return found


@compiled
def check(content: Bytes, places: Ints, tables: Tables, is_plain: Mask) -> None:
    """Take ``is_plain`` from the rows that hold what is not plainly allowed."""
    for row in range(len(is_plain)):
        if is_plain[row]:
            is_plain[row] = _is_allowed(content, places[row], tables)


@compiled
def _is_allowed(content: Bytes, place: Ints, tables: Tables) -> bool:
    for field in (0, 2, 3):
        if not _is_text(content, place[field], tables.max_length):
            return False
    for field in (7, 8, 9, 10):
        if place[field, 0] >= 0 and not _is_text(content, place[field], tables.max_length):
            return False
    if place[10, 0] >= 0 and not tables.has_card_tokens:
        return False
    currency, amount = _currency(content, place[5], tables), place[4, 0]
    if currency < 0 or not 0 <= amount <= tables.greatest[currency]:
        return False
    is_in_time: bool = EARLIEST <= place[1, 0] < LATEST
    return is_in_time and bool(_channel(content, place[6], tables) >= 0)


@compiled
def _is_text(content: Bytes, place: Ints, max_length: int) -> bool:
    at = place[0]
    while at < place[1] and 0x20 <= content[at] <= 0x7E:
        at += 1
    length = place[1] - place[0]
    return bool(at == place[1] and 0 < length <= max_length)


@compiled
def _currency(content: Bytes, place: Ints, tables: Tables) -> int:
    if place[1] - place[0] != 3:
        return -1
    first = place[0]
    code = np.int64(content[first]) << 16 | np.int64(content[first + 1]) << 8 | np.int64(content[first + 2])
    for currency in range(len(tables.codes)):
        if tables.codes[currency] == code:
            return currency
    return -1


@compiled
def _channel(content: Bytes, place: Ints, tables: Tables) -> int:
    """Return the number of a channel, 0 where there is none, -1 for a text that is no channel."""
    if place[0] < 0:
        return 0
    start = 0
    for channel in range(len(tables.channel_ends)):
        end = tables.channel_ends[channel]
        is_same = end - start == place[1] - place[0]
        for at in range(start, end):
            is_same = is_same and tables.channels[at] == content[place[0] + at - start]
        if is_same:
            return channel
        start = end
    return -1


def write(content: Bytes, places: Ints, tables: Tables) -> tuple[Bytes, Ints]:
    """Return the bytes of payments before and after ``accepted_at``, and the parts, see `Payments`."""
    texts = places[:, TEXTS]
    size = len(places) * EXTRA_BYTES + int((texts[..., 1] - texts[..., 0]).sum())
    written, parts = np.empty(size, np.uint8), np.empty((len(places), 3), np.int64)
    return written[: _write(content, places, tables, written, parts)], parts


@compiled
def _write(content: Bytes, places: Ints, tables: Tables, written: Bytes, parts: Ints) -> int:
    at = 0
    for row in range(len(places)):
        place = places[row]
        parts[row, 0] = at
        at = _put_text(written, at, content, place[0])
        parts[row, 1] = at = _put_long(written, at, place[1, 0])
        currency, amount = _currency(content, place[5], tables), place[4, 0]
        numerator, denominator = tables.numerators[currency], tables.denominators[currency]
        at = _put_text(written, at, content, place[2])
        at = _put_text(written, at, content, place[3])
        at = _put_long(written, at, amount)
        at = _put_text(written, at, content, place[5])
        at = _put_long(written, at, (2 * amount * numerator + denominator) // (2 * denominator))
        at = _put_long(written, at, _channel(content, place[6], tables))
        for field in (7, 8, 9, 10):
            if place[field, 0] < 0:
                at = _put_long(written, at, 0)
            else:
                at = _put_text(written, _put_long(written, at, 1), content, place[field])
        parts[row, 2] = at
    return at


def framed(
    content: Bytes, parts: Ints, front: Bytes, places: tuple[Ints, Ints], accepted_at: Ints
) -> tuple[Bytes, Ints]:
    """Return framed records, joined, and their ends."""
    size = len(parts) * (len(front) + FRAME_BYTES) + int((parts[:, 2] - parts[:, 0]).sum())
    found, ends = np.empty(size, np.uint8), np.empty(len(parts), np.int64)
    return found[: _framed((content, parts, front), places, accepted_at, found, ends)], ends


@compiled
def _framed(payments: Any, places: tuple[Ints, Ints], accepted_at: Ints, found: Bytes, ends: Ints) -> int:
    (content, parts, front), (partitions, offsets), at = payments, places, 0
    for row in range(len(parts)):
        at = put_front(found, at, front, partitions[row], offsets[row])
        at = put(found, at, content, parts[row, 0], parts[row, 1])
        at = _put_long(found, at, accepted_at[row])
        ends[row] = at = put(found, at, content, parts[row, 1], parts[row, 2])
    return at


@numba.njit(cache=True)
def digests(content: Bytes, parts: Ints) -> Ints:
    """Return a 64-bit FNV-1a of each payment's bytes (Fowler, Noll and Vo, 1991)."""
    found = np.empty(len(parts), np.int64)
    for row in range(len(parts)):
        value = np.uint64(0xCBF29CE484222325)
        for at in range(parts[row, 0], parts[row, 2]):
            value = (value ^ np.uint64(content[at])) * np.uint64(0x100000001B3)
        found[row] = np.int64(value)
    return found


@compiled
def _put_long(target: Bytes, at: int, number: int) -> int:
    """Write an Avro long >= 0; return what follows it."""
    rest = number << 1
    while rest > 0x7F:
        target[at] = rest & 0x7F | 0x80
        rest >>= 7
        at += 1
    target[at] = rest
    return at + 1


@compiled
def _put_text(target: Bytes, at: int, content: Bytes, place: Ints) -> int:
    return put(target, _put_long(target, at, place[1] - place[0]), content, place[0], place[1])
