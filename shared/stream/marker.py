"""The crash marker: finds a record that ends the process each time it is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.stream.progress import Place

STARTS_BEFORE_CARE = 3
CAREFUL_RECORDS = 20_000  # more than what can lie between a commit and the culprit
NEIGHBOURS = 200  # taken with care after a culprit: what makes one makes more; care costs milliseconds each


class CrashMarker:
    """Counts starts at the same committed offset, in a file of the state folder.

    After three such starts records are taken one at a time, each noted before it is taken; a record
    found noted at the next start is the culprit.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._content = self._read()
        self._careful_left = 0
        self._counted: set[str] = set()
        self._has_taken = False
        self.culprits: set[tuple[Place, int]] = set()

    def started(self, starts: dict[Place, int]) -> None:
        """Take the offsets at which this process begins to read.

        Later balances are not counted, nor is a start after one that ended before it took a record.
        """
        counts: dict[str, list[int]] = dict(self._content.get("starts", {}))
        has_taken = bool(self._content.get("has_taken"))
        for place, offset in starts.items():
            name = f"{place.topic}/{place.partition}"
            at, count = counts.get(name, (None, 0))
            is_another = has_taken and name not in self._counted
            counts[name] = [offset, count + is_another if at == offset else 1]
            self._counted.add(name)
        if any(count > STARTS_BEFORE_CARE for _, count in counts.values()):
            self._careful_left = CAREFUL_RECORDS
        found = list(self._content.get("culprits", []))
        if "taking" in self._content:
            found.append(self._content["taking"])
        known = {(Place(topic, partition), at) for topic, partition, at in found}
        self.culprits = {(place, at) for place, at in known if at >= starts.get(place, 0)}
        self._content = {"starts": counts, "culprits": [[*place, at] for place, at in self.culprits]}
        if self._has_taken:
            self._content["has_taken"] = True
        self._write()

    def needs_care(self) -> bool:
        """Tell whether the next records are to be taken one at a time.

        Notes, once, that this process takes records: its end may from now on be the doing of one.
        """
        if not self._has_taken:
            self._has_taken = self._content["has_taken"] = True
            self._write()
        return self.is_careful or bool(self.culprits)

    @property
    def is_careful(self) -> bool:
        """Whether records are to be taken one at a time."""
        return self._careful_left > 0

    def taking(self, place: Place, offset: int) -> None:
        """Note a record before it is taken."""
        self._careful_left = max(self._careful_left - 1, 0)
        self._content["taking"] = [*place, offset]
        self._write()

    def taken(self) -> None:
        """Note that the process outlived the record; forget everything once care has ended."""
        del self._content["taking"]
        if self._careful_left == 0:
            self.clear()
        else:
            self._write()  # else the end of the process for another reason would count against it

    def set_aside(self, place: Place, offset: int) -> None:
        """Note that a culprit is out of the way: after the last one care soon ends."""
        self.culprits.discard((place, offset))
        if not self.culprits:
            self._careful_left = min(self._careful_left, NEIGHBOURS)

    def committed(self) -> None:
        """Forget the starts once a commit went on from them."""
        if not self.is_careful and self._content:
            self.clear()

    def clear(self) -> None:
        """Forget everything, as after a clean stop."""
        self._content = {}
        self._careful_left = 0
        self._file.unlink(missing_ok=True)

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
