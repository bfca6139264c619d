"""The crash marker: finds a record that ends the process each time it is taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.stream.progress import Place

STARTS_BEFORE_CARE = 2

NOTHING = (0, -1)

Spans = Mapping[Place, tuple[int, int]]
"""First and last offset of a batch in each place."""


class CrashMarker:
    """Counts starts from which a place did not get on, in a file of the state folder.

    At the second such start each batch is noted before it is taken. At the next one the records of the
    batch noted last are taken one at a time, each noted. The one found noted at the start after that is
    accused, and taken with care; noted once more it is the culprit, since a process may end amid a record
    for another reason. A culprit is remembered for good: state that is built anew comes past it again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._content = self._read()
        self._counted: set[str] = set()
        self._suspects: dict[str, tuple[int, int]] = {}
        self.culprits: set[tuple[Place, int]] = set()

    def started(self, starts: dict[Place, int]) -> None:
        """Take the offsets at which this process begins to read.

        Only places count of which the process before took records; later balances do not.
        """
        counts, taken = dict(self._content.get("starts", {})), self._content.get("taken", [])
        for place, offset in starts.items():
            name = _name(place)
            at, count = counts.get(name, (None, 0))
            is_another = name in taken and name not in self._counted
            counts[name] = [offset, count + is_another if at == offset else 1]
        if not self._counted:
            self._content["taken"] = []
            if any(count > STARTS_BEFORE_CARE for _, count in counts.values()):
                self._suspects = {
                    name: (span[0], span[1]) for name, span in self._content.get("batch", {}).items()
                }
        self._counted.update(map(_name, starts))
        self._content["starts"] = counts
        self._accuse()
        self.culprits = self._records("culprits")
        self._write()

    def needs_care(self, spans: Spans) -> bool:
        """Tell, before a batch is taken, whether its records are to be taken one at a time."""
        known = self._content.setdefault("taken", [])
        names = {_name(place): span for place, span in spans.items()}
        fresh = [name for name in names if name not in known]
        known += fresh
        if self.is_watchful:
            self._content["batch"] = names
        if fresh or self.is_watchful:
            self._write()
        wary = self.culprits | self._records("accused")
        held = [(spans.get(place, NOTHING), at) for place, at in wary]
        if any(first <= at <= last for (first, last), at in held):
            return True
        suspects = [(self._suspects.get(name, NOTHING), span) for name, span in names.items()]
        return any(first <= span[1] and span[0] <= last for (first, last), span in suspects)

    @property
    def is_watchful(self) -> bool:
        """Whether a batch is to be done with before the next: its end would be found in the file."""
        return any(count >= STARTS_BEFORE_CARE for _, count in self._content.get("starts", {}).values())

    def taking(self, place: Place, offset: int) -> None:
        """Note a record before it is taken."""
        self._content["taking"] = [*place, offset]
        self._write()

    def taken(self) -> None:
        """Note that the process outlived the record: its end for another reason may not count against it."""
        taken = self._content.pop("taking")
        self._content["accused"] = [each for each in self._content.get("accused", []) if each != taken]
        self._write()

    def committed(self, places: Mapping[Place, int]) -> None:
        """Forget the starts of places that got on, and suspects that were outlived."""
        starts = self._content.get("starts", {})
        gone = [_name(place) for place in places if _name(place) in starts]
        for name in gone:
            del starts[name]
        for place, offset in places.items():
            span = self._suspects.get(_name(place))
            if span is not None and offset > span[1]:
                del self._suspects[_name(place)]
        if gone:
            self._write()

    def clear(self) -> None:
        """Forget everything but culprits, as after a clean stop."""
        self._content = {"culprits": self._content.get("culprits", [])}
        self._suspects = {}
        if self._content["culprits"]:
            self._write()
        else:
            self._file.unlink(missing_ok=True)

    def _accuse(self) -> None:
        """Count the end of the process before against the record noted then, if there is one."""
        taking = self._content.pop("taking", None)
        accused = self._content.setdefault("accused", [])
        culprits = self._content.setdefault("culprits", [])
        if taking in accused:
            accused.remove(taking)
            culprits.append(taking)
        elif taking is not None:
            accused.append(taking)

    def _records(self, kind: str) -> set[tuple[Place, int]]:
        return {(Place(topic, partition), at) for topic, partition, at in self._content.get(kind, [])}

    def _read(self) -> dict[str, Any]:
        if not self._file.exists():
            return {}
        try:
            content = json.loads(self._file.read_text())
        except json.JSONDecodeError:  # the process ended while it wrote
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        made = self._file.with_suffix(".part")
        made.write_text(json.dumps(self._content))
        made.replace(self._file)


def _name(place: Place) -> str:
    return f"{place.topic}/{place.partition}"
