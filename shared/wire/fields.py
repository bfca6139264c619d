"""Fields of framed flat records, found by walking over their bytes; nothing else is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

import schemas
from shared.compiled import compiled
from shared.wire.framing import HEADER_BYTES, WireError, schema_name
from shared.wire.joined import Bytes, Ints, Joined, split

FIXED, NUMBER, TEXT, OPTIONAL_TEXT, DOUBLE, OPTIONAL_DOUBLE, FLOATS = range(7)
WHOLE, CUT_SHORT, UNKNOWN_BRANCH, TRAILING = range(4)
"""What was found of a record: whole, ends in a field, a branch that the schema does not know, goes on."""
ABSENT = -1
DOUBLE_BYTES = 8
States = npt.NDArray[np.int8]
Plan = tuple[Ints, Ints, Ints]
"""Kind and size of each field, and the column of its place, -1 where it is not chosen."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Chosen fields of records, by where they lie in the joined bytes.

    ``places`` has shape (n, fields, 2): the value itself of a number or an enum (its symbol's place); of
    all else the first byte and the one after the last, -1 where an optional field is null.
    """

    records: Joined
    names: tuple[str, ...]
    places: Ints

    def numbers(self, name: str) -> Ints:
        """Return a field of longs, ints, times (microseconds) or enums (places of symbols), shape (n,)."""
        return np.ascontiguousarray(self.places[:, self.names.index(name), 0])

    def floats(self, name: str) -> npt.NDArray[np.float32]:
        """Return a field of float arrays, shape (n, k).

        Raises
        ------
        WireError
            If the arrays are not equally long.
        """
        spans = self.places[:, self.names.index(name)]
        lengths = spans[:, 1] - spans[:, 0]
        if (lengths != lengths[0]).any():
            raise WireError(f"records have different numbers of {name}")
        block = _gather(self.records.bytes, np.ascontiguousarray(spans[:, 0]), int(lengths[0]))
        return block.view(np.float32)

    def doubles(self, name: str) -> npt.NDArray[np.float64]:
        """Return a field of doubles, shape (n,); an absent one is NaN."""
        firsts = np.ascontiguousarray(self.places[:, self.names.index(name), 0])
        return _gather(self.records.bytes, firsts, DOUBLE_BYTES).view(np.float64).reshape(-1)

    def texts(self, name: str) -> list[bytes]:
        """Return a field of strings as UTF-8; an absent one is empty."""
        content = self.records.content
        spans = self.places[:, self.names.index(name)].tolist()
        return [content[first:last] if first != ABSENT else b"" for first, last in spans]


def fields(records: Joined, names: Sequence[str]) -> Fields:
    """Find the named fields of framed records of our own flat schemas.

    Raises
    ------
    WireError
        If a record is not framed with a schema of ours, lacks a field, or is cut short.
    """
    if not len(records):
        raise WireError("no records to look into")
    chosen = tuple(names)
    if _one_header(records.bytes, records.ends):
        return Fields(records, chosen, _places(records, 0, schema_name(records.content), chosen))
    runs = groupby(split(records.content, records.ends), key=lambda value: value[:HEADER_BYTES])
    found, first, row = [], 0, 0
    for header, run in runs:
        end = row + len(list(run))
        part = Joined(records.content, records.ends[row:end])
        found.append(_places(part, first, schema_name(header), chosen))
        first, row = int(records.ends[end - 1]), end
    return Fields(records, chosen, np.concatenate(found))


def walk(records: Joined, name: str, chosen: tuple[str, ...]) -> tuple[Ints, States]:
    """Return places of fields, see `Fields`, and what was found of each record over its whole length.

    Any bytes may be given: nothing outside of a record is read, and a place that was not reached is -1.
    The frame is passed over unseen.
    """
    return _walked(records, 0, _plan(name, chosen), True)


def _walked(records: Joined, first: int, plan: Plan, is_whole: bool) -> tuple[Ints, States]:
    places = np.full((len(records), int(plan[2].max(initial=ABSENT)) + 1, 2), ABSENT, np.int64)
    found = np.zeros(len(records), np.int8)
    _walk((records.bytes, records.ends, first), plan, is_whole, places, found)
    return places, found


def _places(records: Joined, first: int, name: str, names: tuple[str, ...]) -> Ints:
    kinds, sizes, columns = _plan(name, names)
    last = int(np.flatnonzero(columns != ABSENT).max(initial=ABSENT)) + 1  # behind it nothing is asked for
    places, found = _walked(records, first, (kinds[:last], sizes[:last], columns[:last]), False)
    if found.any():
        row = int(np.flatnonzero(found)[0])
        raise WireError(f"a record of {name} is not whole (record {row} of {len(found)})")
    return places


@cache
def _plan(name: str, chosen: tuple[str, ...]) -> Plan:
    declared = schemas.avro(name)["fields"]
    absent = set(chosen) - {field["name"] for field in declared}
    if absent:
        raise WireError(f"{name} has no field {', '.join(sorted(absent))}")
    kinds = np.array([_kind(field["type"]) for field in declared], np.int64)
    sizes = np.array(
        [field["type"]["size"] if kind == FIXED else 0 for field, kind in zip(declared, kinds, strict=True)]
    )
    columns = np.array(
        [chosen.index(field["name"]) if field["name"] in chosen else ABSENT for field in declared]
    )
    return kinds, sizes, columns


def _kind(declared: Any) -> int:
    kind = declared["type"] if isinstance(declared, dict) else declared
    if isinstance(kind, list):
        return {"string": OPTIONAL_TEXT, "double": OPTIONAL_DOUBLE}[kind[1]]
    if kind == "array" and declared["items"] == "float":
        return FLOATS
    known = {"fixed": FIXED, "string": TEXT, "bytes": TEXT, "double": DOUBLE}
    known |= dict.fromkeys(("int", "long", "enum"), NUMBER)
    return known[kind]


@numba.njit(cache=True)
def _one_header(content: Bytes, ends: Ints) -> bool:
    start = 0
    for row in range(len(ends)):
        if ends[row] - start < 5:
            return False
        for at in range(5):
            if content[start + at] != content[at]:
                return False
        start = ends[row]
    return True


@compiled
def _number(content: Bytes, at: int, end: int) -> Any:
    """Return a long and where it ends, -1 where the bytes end before or it has more than 64 bits."""
    result, shift = np.uint64(0), np.uint64(0)
    for place in range(at, min(at + 10, end)):
        byte = np.uint64(content[place])
        if shift == np.uint64(63) and byte > np.uint64(1):
            break
        result |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return np.int64(result >> np.uint64(1)) ^ -np.int64(result & np.uint64(1)), place + 1
        shift += np.uint64(7)
    return 0, -1


@compiled
def _field(content: Bytes, at: int, end: int, kind: int, size: int) -> Any:
    """Return the two numbers of a field's place, where it ends, and what was found."""
    if kind == 1:
        number, after = _number(content, at, end)
        return number, after, after, 0 if after >= 0 else 1
    if kind == 3 or kind == 5:
        branch, at = _number(content, at, end)
        if at < 0:
            return -1, -1, -1, 1
        if branch == 0:
            return -1, -1, at, 0
        if branch != 1:
            return -1, -1, -1, 2
    first = at
    if kind == 0:
        at += size
    elif kind == 4 or kind == 5:
        at += 8
    else:
        count, first = _number(content, at, end)
        width = 4 if kind == 6 else 1
        if first < 0 or count < 0 or count > (end - first) // width:
            return -1, -1, -1, 1
        at = first + count * width
        if kind == 6 and count:  # the block of floats is followed by an empty one
            return first, at, at + 1, 0 if at < end and content[at] == 0 else 1
    return first, at, at, 0 if at <= end else 1


@compiled
def _walk(records: Any, plan: Plan, is_whole: bool, places: Ints, found: States) -> None:
    content, ends, start = records
    kinds, sizes, columns = plan
    for row in range(len(ends)):
        at, end = start + 5, ends[row]
        if at > end:
            found[row] = 1
        else:
            for field in range(len(kinds)):
                one, two, at, state = _field(content, at, end, kinds[field], sizes[field])
                if state:
                    found[row] = state
                    break
                if columns[field] >= 0:
                    places[row, columns[field], 0], places[row, columns[field], 1] = one, two
            if is_whole and found[row] == 0 and at != end:
                found[row] = 3
        start = end


@numba.njit(cache=True)
def _gather(content: Bytes, firsts: Ints, width: int) -> Bytes:
    """Return ``width`` bytes from each place; where there is none, 0xFF, which is NaN."""
    found = np.empty((len(firsts), width), np.uint8)
    for row in range(len(firsts)):
        if firsts[row] < 0:
            found[row] = 0xFF
            continue
        first, target = np.uint64(firsts[row]), found[row]
        for byte in range(np.uint64(width)):  # without signs it is a copy of memory
            target[byte] = content[first + byte]
    return found
