"""What became of raw records, summarised: what the monitor tells data quality from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shared import wire
from shared.sketches import HOUR, bounded
from shared.sketches.sketcher import MS_PER_SECOND, TOPIC
from shared.stream import Batch, Outgoing


@dataclass(slots=True)
class Open:
    """A sketch that still grows."""

    span: int
    offsets: tuple[int, int]
    times: tuple[int, int]
    count: int = 0
    results: Counter[str] = field(default_factory=Counter)

    def take(self, results: Counter[str]) -> None:
        """Add what became of records; there is room for so many categories only."""
        for result, number in results.items():
            self.results[bounded(result, self.results)] += number


class IngestSketches:
    """Numbers of raw records by result: taken, repeat, or the reason of a dead letter.

    Of those that are taken, numbers by category too, such as ``country=DE``.
    A batch is counted whole under the partition of its first record, whose offsets the sketch carries.
    """

    def __init__(self, writer: str, span_seconds: int) -> None:
        self._writer, self._span_ms = writer, span_seconds * MS_PER_SECOND
        self._tally: Counter[str] = Counter()
        self._open: dict[tuple[str, int], Open] = {}

    def count(self, result: str, number: int) -> None:
        """Take note of what became of records of this batch."""
        self._tally[result] += number

    def add(self, batch: Batch, event_time: int | None) -> list[Outgoing]:
        """Count a batch, whose newest event time is given; return the sketch that it closes."""
        results, self._tally = self._tally, Counter()
        if event_time is None:
            return []  # nothing that could be read came yet: there is no time to count it at
        first = int(batch.partitions[0])
        offsets = batch.offsets[batch.partitions == first]
        name, span = (batch.topic, first), int(batch.accepted_ms.max()) // self._span_ms
        known = self._open.get(name)
        is_later = known is not None and (span > known.span or event_time // HOUR > known.times[1] // HOUR)
        closed = self._sketch(name, self._open.pop(name)) if is_later else []
        each = self._open.setdefault(name, Open(span, (int(offsets[0]), 0), (event_time, event_time)))
        each.offsets = each.offsets[0], int(offsets[-1])
        each.times = each.times[0], max(each.times[1], event_time)
        each.count += len(batch)
        each.take(results)
        return closed

    def _sketch(self, name: tuple[str, int], each: Open) -> list[Outgoing]:
        names = sorted(each.results)
        counts = [each.results[result] for result in names]
        sketch = {
            "writer": self._writer,
            "kind": "ingest",
            "topic": name[0],
            "partition": name[1],
            "first_offset": each.offsets[0],
            "last_offset": each.offsets[1],
            "first_event_time": each.times[0],
            "last_event_time": each.times[1],
            "model_version": None,
            "count": each.count,
            "names": names,
            "sizes": [2] * len(names),
            "counts": [part for count in counts for part in (count, 0)],
            "sums": [float(count) for count in counts],
        }
        return [Outgoing(TOPIC, [self._writer.encode()], [wire.encode(TOPIC, sketch)])]
