"""JSON from outside, looked at closely: what it holds, or exactly why it is refused."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from services.ingest.reasons import InvalidMessage, Reason
from shared.stream.forbidden import is_forbidden

# Texts are skipped without backtracking, also one that never ends.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def fields(value: bytes, max_depth: int) -> dict[str, Any]:
    """Return the fields of a JSON object.

    Raises
    ------
    InvalidMessage
        With reason ``nested_too_deep``, ``unparsable``, ``trailing_bytes``, ``wrong_type`` or
        ``forbidden_field``. A name that stands twice in one object, and NaN or Infinity, are unparsable:
        two readers of such a record may see two different payments.
    """
    if depth(value, max_depth) > max_depth:
        raise InvalidMessage(Reason.NESTED_TOO_DEEP, f"nested deeper than {max_depth}")
    names = _Names()
    content = _content(value, names)
    if names.has_forbidden:
        raise InvalidMessage(
            Reason.FORBIDDEN_FIELD, "a field may hold a verification code, PIN or track data"
        )
    if names.has_twice:
        raise InvalidMessage(Reason.UNPARSABLE, "a field stands twice")
    if not isinstance(content, dict):
        raise InvalidMessage(Reason.WRONG_TYPE, "a JSON object was due")
    return content


def depth(value: bytes, enough: int) -> int:
    """Return how deep brackets are nested outside of texts; counting ends above ``enough``."""
    if value.count(b"{") + value.count(b"[") <= enough:
        return 0
    now = deepest = 0
    for found in _BRACKETS.finditer(value):
        first = value[found.start()]
        now += (first in b"[{") - (first in b"]}")
        deepest = max(deepest, now)
        if deepest > enough:
            break
    return deepest


class _Names:
    """Sees the names of all objects, however deep."""

    def __init__(self) -> None:
        self.has_forbidden = False
        self.has_twice = False

    def see(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        self.has_twice |= len(record) < len(pairs)
        self.has_forbidden |= any(map(is_forbidden, record))
        return record


def _content(value: bytes, names: _Names) -> Any:
    try:
        return json.loads(value.decode(), object_pairs_hook=names.see, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise InvalidMessage(Reason.UNPARSABLE, "the bytes are not UTF-8") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise InvalidMessage(Reason.TRAILING_BYTES, "more follows the JSON value") from error
        raise InvalidMessage(Reason.UNPARSABLE, f"not JSON from character {error.pos}") from error
    except ValueError as error:
        raise InvalidMessage(Reason.UNPARSABLE, "a number has too many digits or is none") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")
