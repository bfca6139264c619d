"""Sketches decoded, freed of overlaps, and added up by day of event time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from shared import wire
from shared.sketches import DAY, bounded

TOPIC = "sketches.v1"
Counts = npt.NDArray[np.int64]
Place = tuple[str, str, int, str | None, int]


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A record of sketches.v1."""

    writer: str
    kind: str
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    first_event_time: int
    last_event_time: int
    model_version: str | None
    count: int
    names: list[str]
    sizes: list[int]
    counts: list[int]
    sums: list[float]

    @classmethod
    def from_bytes(cls, value: bytes) -> Sketch:
        """Return the sketch of a framed value; raises WireError."""
        sketch = cls(**wire.decode(value, TOPIC))
        if not len(sketch.names) == len(sketch.sizes) == len(sketch.sums):
            raise wire.WireError("a sketch needs a size and a sum for each name")
        if sum(sketch.sizes) != len(sketch.counts):
            raise wire.WireError(f"sizes of {sum(sketch.sizes)} bins for {len(sketch.counts)} counts")
        return sketch

    @property
    def day(self) -> int:
        """Day of event time since 1970, UTC."""
        return self.last_event_time // DAY

    @property
    def place(self) -> Place:
        """What its offsets are compared within: one series of sketches of one log."""
        day = self.day if self.kind == "labels" else 0
        return self.kind, self.topic, self.partition, self.model_version, day


@dataclass(slots=True)
class Overlaps:
    """Drops sketches of records that earlier sketches hold already, wholly or in part."""

    _last: dict[Place, int] = field(default_factory=dict)
    dropped: int = 0

    def accepts(self, sketch: Sketch) -> bool:
        """Return whether all records of a sketch are new; take note of them."""
        if sketch.first_offset <= self._last.get(sketch.place, -1):
            self.dropped += 1
            return False
        self._last[sketch.place] = sketch.last_offset
        return True

    def forget(self, before: int) -> None:
        """Forget days before this one."""
        self._last = {place: at for place, at in self._last.items() if place[4] == 0 or place[4] >= before}


@dataclass(slots=True)
class Totals:
    """Histograms and sums by column, added up over sketches."""

    count: int = 0
    histograms: dict[str, Counts] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, sketch: Sketch) -> None:
        """Add a sketch; a column whose bins changed begins anew, and there is room for so many categories."""
        self.count += sketch.count
        ends = np.cumsum(sketch.sizes)[:-1]
        parts = np.split(np.array(sketch.counts, np.int64), ends)
        for name, counts, total in zip(sketch.names, parts, sketch.sums, strict=True):
            place = bounded(name, self.histograms)
            self._add({place: counts})
            self._add_sums({place: total})

    def merge(self, other: Totals) -> None:
        """Add other totals."""
        self.count += other.count
        self._add(other.histograms)
        self._add_sums(other.sums)

    def defined(self, name: str) -> Counts:
        """Return the counts of a column without its last bin, that of the undefined."""
        return self.histograms[name][:-1]

    def mean(self, name: str) -> float | None:
        """Return the mean of the defined values of a column; None without any."""
        number = int(self.defined(name).sum())
        return self.sums[name] / number if number else None

    def undefined_share(self, name: str) -> float | None:
        """Return the share of undefined values of a column; None without rows."""
        whole = self.histograms[name]
        return float(whole[-1] / whole.sum()) if whole.sum() else None

    def _add(self, histograms: Mapping[str, Counts]) -> None:
        for name, counts in histograms.items():
            known = self.histograms.get(name)
            is_same = known is not None and known.shape == counts.shape
            self.histograms[name] = known + counts if known is not None and is_same else counts.copy()

    def _add_sums(self, sums: Mapping[str, float]) -> None:
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value


@dataclass(slots=True)
class Watermark:
    """Event time that all partitions of a kind have passed; one that rests for a day holds nothing up."""

    _reached: dict[int, int] = field(default_factory=dict)

    def advance(self, sketch: Sketch) -> None:
        """Take note of a sketch."""
        before = self._reached.get(sketch.partition, sketch.last_event_time)
        self._reached[sketch.partition] = max(before, sketch.last_event_time)

    @property
    def newest(self) -> int:
        """Highest event time seen; 0 before the first sketch."""
        return max(self._reached.values(), default=0)

    @property
    def passed(self) -> int:
        """Event time that every partition has reached, of those at most a day behind the newest."""
        awake = [each for each in self._reached.values() if each >= self.newest - DAY]
        return min(awake, default=0)


@dataclass(slots=True)
class Days:
    """Totals by day and model version."""

    _totals: dict[int, dict[str | None, Totals]] = field(default_factory=dict)

    def add(self, sketch: Sketch) -> None:
        """Add a sketch to its day."""
        by_version = self._totals.setdefault(sketch.day, {})
        by_version.setdefault(sketch.model_version, Totals()).add(sketch)

    def of(self, day: int) -> dict[str | None, Totals]:
        """Return the totals of a day by model version."""
        return self._totals.get(day, {})

    def whole(self, day: int) -> Totals:
        """Return the totals of a day over all versions."""
        result = Totals()
        for each in self.of(day).values():
            result.merge(each)
        return result

    def take(self, day: int) -> Totals:
        """Return the totals of a day over all versions, and drop them."""
        found = self.whole(day)
        del self._totals[day]
        return found

    def until(self, end: int) -> Iterator[int]:
        """Yield the days before ``end``, in order."""
        yield from sorted(day for day in self._totals if day < end)

    def forget(self, before: int) -> None:
        """Drop the days before this one."""
        self._totals = {day: each for day, each in self._totals.items() if day >= before}
