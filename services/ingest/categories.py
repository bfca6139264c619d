"""Values of the categorical fields of payments, counted in a compiled loop over a batch's bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import schemas
from shared.compiled import compiled
from shared.sketches import category
from shared.wire.joined import Bytes, Ints

TEXTS = ("currency", "merchant_category", "country")
CURRENCY, MERCHANT_CATEGORY, COUNTRY = range(3)
CHANNELS = schemas.symbols("transactions.v1", "channel")
ABSENT_CHANNEL = 0
MOST_VALUES = 256  # of a field in a batch
SLOTS = 512  # a power of two, and so many more that a free one is near
MOST_BYTES = 24
MOST_DIGITS = 6  # more may be the number of a card or of a person


class Tally(NamedTuple):
    """Counts by text in tables of hashes, one a field; the slot behind the last counts other values.

    ``spans`` tell where in the content a text stands. Texts are told apart by 64-bit hashes.
    """

    hashes: npt.NDArray[np.uint64]
    spans: Ints
    counts: Ints
    channels: Ints


def counted(content: Bytes, parts: Ints) -> dict[str, int]:
    """Return how many payments hold which category; what is absent is not counted.

    Parameters
    ----------
    content, parts
        Payments as `columns.Payments` has them; ``parts`` has shape (n, 3).

    Returns
    -------
    dict
        By names as `shared.sketches.category` makes them. Texts that are too long, too many in a batch or
        mostly digits count as other values of their field.
    """
    shape = len(TEXTS), SLOTS
    counts = np.zeros((len(TEXTS), SLOTS + 1), np.int64)
    channels = np.zeros(len(CHANNELS), np.int64)
    tally = Tally(np.zeros(shape, np.uint64), np.empty((*shape, 2), np.int64), counts, channels)
    _take(content, parts, tally, np.zeros(len(TEXTS), np.int64))
    found = {
        category("channel", CHANNELS[code]): int(channels[code])
        for code in np.flatnonzero(channels).tolist()
        if code != ABSENT_CHANNEL
    }
    fields, slots = np.nonzero(counts[:, :SLOTS])
    numbers, spans = counts[fields, slots].tolist(), tally.spans[fields, slots].tolist()
    for field, number, (first, last) in zip(fields.tolist(), numbers, spans, strict=True):
        found[category(TEXTS[field], content[first:last].tobytes().decode())] = number
    for field in np.flatnonzero(counts[:, SLOTS]).tolist():
        found[category(TEXTS[field])] = int(counts[field, SLOTS])
    return found


@compiled
def _take(content: Bytes, parts: Ints, tally: Tally, used: Ints) -> None:
    for row in range(len(parts)):
        at = _after_text(content, _after_text(content, parts[row, 1]))  # customer_id, terminal_id
        at = _after_long(content, at)  # amount
        at = _add(content, at, CURRENCY, tally, used)
        at = _after_long(content, at)  # amount_base
        tally.channels[content[at] >> 1] += 1  # zigzag of a small number
        at += 1
        for field in (MERCHANT_CATEGORY, COUNTRY):
            is_there = content[at] != 0
            at += 1
            if is_there:
                at = _add(content, at, field, tally, used)


@compiled
def _add(content: Bytes, at: int, field: int, tally: Tally, used: Ints) -> int:
    """Count the text at a place; return what follows it."""
    length, first = _long(content, at)
    slot = SLOTS
    if length <= MOST_BYTES:
        found, digits = _hash(content, first, first + length)
        if digits <= MOST_DIGITS:
            slot = _slot(found, field, tally, used)
    if slot < SLOTS and tally.counts[field, slot] == 0:
        tally.spans[field, slot, 0], tally.spans[field, slot, 1] = first, first + length
    tally.counts[field, slot] += 1
    return first + length


@compiled
def _slot(found: np.uint64, field: int, tally: Tally, used: Ints) -> int:
    slot = np.int64(found & np.uint64(SLOTS - 1))
    while tally.hashes[field, slot] != 0:
        if tally.hashes[field, slot] == found:
            return int(slot)
        slot = (slot + 1) & (SLOTS - 1)
    if used[field] == MOST_VALUES:
        return SLOTS
    used[field] += 1
    tally.hashes[field, slot] = found
    return int(slot)


@compiled
def _hash(content: Bytes, first: int, last: int) -> tuple[np.uint64, int]:
    """Return a 64-bit FNV-1a (Fowler, Noll and Vo, 1991) that is not 0, and how many digits there are."""
    value, digits = np.uint64(0xCBF29CE484222325), 0
    for at in range(first, last):
        value = (value ^ np.uint64(content[at])) * np.uint64(0x100000001B3)
        digits += 0x30 <= content[at] <= 0x39
    return max(value, np.uint64(1)), digits


@compiled
def _long(content: Bytes, at: int) -> tuple[int, int]:
    """Return an Avro long >= 0 and what follows it."""
    value, shift = np.int64(content[at] & 0x7F), 7
    while content[at] & 0x80:
        at += 1
        value |= np.int64(content[at] & 0x7F) << shift
        shift += 7
    return int(value >> 1), at + 1


@compiled
def _after_long(content: Bytes, at: int) -> int:
    while content[at] & 0x80:
        at += 1
    return at + 1


@compiled
def _after_text(content: Bytes, at: int) -> int:
    length, first = _long(content, at)
    return first + length
