"""Open histograms of each partition, closed when the broker's time goes into another span."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import schemas
from shared import wire
from shared.compiled import compiled
from shared.sketches.layout import Bins, Layout, count_row
from shared.stream.records import Outgoing
from shared.wire.framing import header

TOPIC = "sketches.v1"
MS_PER_SECOND = 1000
HOUR, DAY = 3_600_000_000, 86_400_000_000  # microseconds
SPAN, FIRST_OFFSET, LAST_OFFSET, FIRST_TIME, LAST_TIME, COUNT = range(6)


class Origin(NamedTuple):
    """Who summarises what: service and instance, ``scores`` or ``labels``, the input topic."""

    writer: str
    kind: str
    topic: str


class Traffic(NamedTuple):
    """Records to summarise; each array has one element or row a record, in the order of the log.

    ``accepted_ms`` is broker time in milliseconds, ``event_times`` are microseconds UTC, ``matrix``
    has the layout's columns.
    """

    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    accepted_ms: npt.NDArray[np.int64]
    event_times: npt.NDArray[np.int64]
    matrix: npt.NDArray[np.float64]


class Sketcher:
    """Histograms of traffic by input partition and span of broker time: a value of the records, no clock.

    A sketch ends when a record of its partition comes from a later span of broker time or from a later
    ``period`` of event time (microseconds), or under another model; a late record is counted in the period
    that is open. A span that is open when the
    service stops is not summarised; the offsets in the sketches show the gap.
    """

    def __init__(self, origin: Origin, layout: Layout, span_seconds: int, period: int = HOUR) -> None:
        partitions = schemas.partition_count(origin.topic)
        self._origin = origin
        self._layout = layout
        kind = wire.long_bytes(schemas.symbols(TOPIC, "kind").index(origin.kind))
        self._front = header(TOPIC) + wire.text_bytes(origin.writer) + kind + wire.text_bytes(origin.topic)
        self._names = wire.text_array(layout.names) + wire.long_array(np.array(layout.sizes))
        self._span_ms, self._period = span_seconds * MS_PER_SECOND, period
        self._marks = np.zeros((partitions, COUNT + 1), np.int64)
        self._counts = np.zeros((partitions, layout.width), np.int64)
        self._sums = np.zeros((partitions, len(layout.names)))
        self._model_version: str | None = None
        self._take(np.zeros((0, 4), np.int64), np.zeros((0, len(layout.names))), 0)  # compile before traffic

    def add(self, traffic: Traffic, model_version: str | None) -> list[Outgoing]:
        """Count records, all scored by one model; return the sketches that they close."""
        closed = [] if model_version == self._model_version else self._close_all()
        self._model_version = model_version
        places = np.empty((len(traffic.matrix), 4), np.int64)
        places[:, 0] = traffic.partitions
        places[:, 1] = traffic.accepted_ms // self._span_ms
        places[:, 2] = traffic.offsets
        places[:, 3] = traffic.event_times
        matrix = np.ascontiguousarray(traffic.matrix, np.float64)
        row = self._take(places, matrix, 0)
        while row < len(places):
            closed.append(self._close(int(places[row, 0])))
            row = self._take(places, matrix, row)
        return self._outgoing(closed)

    def release(self, partition: int) -> list[Outgoing]:
        """Return the partition's open sketch, which ends here."""
        return self._outgoing([self._close(partition)] if self._marks[partition, COUNT] else [])

    def expire(self, partition: int, accepted_ms: int) -> list[Outgoing]:
        """Return the partition's open sketch if it is of an earlier span than this broker time."""
        is_earlier = accepted_ms // self._span_ms > self._marks[partition, SPAN]
        return self.release(partition) if is_earlier else []

    @property
    def is_empty(self) -> bool:
        """Whether no sketch is open."""
        return not self._marks[:, COUNT].any()

    def _take(self, places: npt.NDArray[np.int64], matrix: npt.NDArray[np.float64], start: int) -> int:
        opened = self._marks, self._counts, self._sums
        return int(_take(places, matrix, (start, self._period), opened, self._layout.bins))

    def _close_all(self) -> list[bytes]:
        return [self._close(int(partition)) for partition in np.flatnonzero(self._marks[:, COUNT])]

    def _close(self, partition: int) -> bytes:
        marks = self._marks[partition].tolist()
        numbers = [partition, *(marks[each] for each in (FIRST_OFFSET, LAST_OFFSET, FIRST_TIME, LAST_TIME))]
        sketch = b"".join(
            (
                self._front,
                *map(wire.long_bytes, numbers),
                wire.optional_text_bytes(self._model_version),
                wire.long_bytes(marks[COUNT]),
                self._names,
                wire.long_array(self._counts[partition]),
                wire.double_array(self._sums[partition]),
            )
        )
        self._marks[partition] = 0
        self._counts[partition] = 0
        self._sums[partition] = 0.0
        return sketch

    def _outgoing(self, sketches: list[bytes]) -> list[Outgoing]:
        key = self._origin.writer.encode()
        return [Outgoing(TOPIC, [key] * len(sketches), sketches)] if sketches else []


@compiled
def _take(
    places: npt.NDArray[np.int64],
    matrix: npt.NDArray[np.float64],
    way: tuple[int, int],
    opened: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]],
    bins: Bins,
) -> int:
    marks, counts, sums = opened
    start, period = way
    for row in range(start, len(places)):
        partition, span, offset, time = places[row]
        mark = marks[partition]
        if mark[5] == 0:
            mark[0], mark[1], mark[2], mark[3], mark[4] = span, offset, offset, time, time
        elif span > mark[0] or time // period > mark[4] // period:
            return row
        mark[1], mark[2] = min(mark[1], offset), max(mark[2], offset)
        mark[3], mark[4] = min(mark[3], time), max(mark[4], time)
        mark[5] += 1
        count_row(matrix[row], counts[partition], bins)
        for column in range(matrix.shape[1]):
            if not np.isnan(matrix[row, column]):
                sums[partition, column] += matrix[row, column]
    return len(places)
