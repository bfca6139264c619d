"""A monitor that goes on after a restart: what it knows is kept in a file with how far it has read."""

from __future__ import annotations

import copy
import logging
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path

from services.monitor.monitor import Monitor
from services.monitor.summaries import Sketch
from shared import wire
from shared.signals import Signal

log = logging.getLogger("monitor")

FORMAT = 4
"""Of the file: raised whenever what a monitor knows is kept in another form."""


@dataclass(slots=True)
class Session:
    """The monitor with the offset of the next sketch; whatever comes below is passed over.

    The file is written whole or not at all. One that cannot be read, such as that of another version,
    is as good as none: everything is told anew from the log.
    """

    file: Path
    monitor: Monitor
    following: int = 0
    taken: dict[tuple[str, str], int] = field(default_factory=dict)
    """Sketches by kind and result since the last `count`."""

    def take(self, offset: int, value: bytes) -> list[Signal]:
        """Take the record at an offset; return what it lets be said."""
        if offset < self.following:
            return []
        self.following = offset + 1
        try:
            sketch = Sketch.from_bytes(value)
        except wire.WireError as error:
            log.warning("not a sketch", extra={"offset": offset, "detail": str(error)})
            self._count("unknown", "refused")
            return []
        dropped = self.monitor.overlaps.dropped
        signals = self.monitor.take(sketch)
        self._count(sketch.kind, "overlap" if self.monitor.overlaps.dropped > dropped else "taken")
        return signals

    def count(self) -> dict[tuple[str, str], int]:
        """Return the sketches taken since the last call, by kind and result."""
        counted, self.taken = self.taken, {}
        return counted

    def save(self) -> None:
        """Write what is known."""
        kept = copy.copy(self.monitor)
        kept.references = None  # read anew from the models topic
        made = self.file.with_suffix(".tmp")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with made.open("wb") as output:
            pickle.dump((FORMAT, self.following, kept), output)
            output.flush()
            os.fsync(output.fileno())
        made.replace(self.file)

    def load(self) -> bool:
        """Go on from the file; return whether there is one that can be read."""
        if not self.file.exists():
            return False
        try:
            form, following, known = pickle.loads(self.file.read_bytes())
            if form != FORMAT:
                raise ValueError(f"state of format {form}, not {FORMAT}")
        except Exception as error:  # a pickle may raise anything, and the log has it all
            log.warning("state not readable", extra={"file": str(self.file), "detail": repr(error)})
            return False
        known.references, known.budgets = self.monitor.references, self.monitor.budgets
        self.following, self.monitor = following, known
        return True

    def _count(self, kind: str, result: str) -> None:
        self.taken[kind, result] = self.taken.get((kind, result), 0) + 1
