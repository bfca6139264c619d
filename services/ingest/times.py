"""Whether a time can be, judged by what its partition has seen: never by a clock."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.reasons import InvalidMessage, Reason
from services.ingest.store import Mark

US_PER_MS = 1000
TOO_OLD = InvalidMessage(Reason.TIME_TOO_OLD, "the time is too far behind the newest of its partition")
IN_THE_FUTURE = InvalidMessage(
    Reason.TIME_IN_THE_FUTURE, "the time is too far ahead of the newest of its partition"
)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How far a time may lie ahead of and behind the highest of its partition, microseconds."""

    future: int
    too_old: int | None

    def advanced(self, mark: Mark | None, time: int, accepted_ms: int) -> Mark:
        """Return the partition's mark after a record; the first record may have any time.

        Event time may run ahead by ``future``, and by the broker time that went by since the mark:
        a stream that paused for a month may go on.

        Raises
        ------
        InvalidMessage
            If the time lies too far ahead or behind.
        """
        if mark is None:
            return Mark(time, accepted_ms)
        if self.too_old is not None and time < mark.event_time - self.too_old:
            raise TOO_OLD
        paused = max(accepted_ms - mark.accepted_ms, 0) * US_PER_MS
        if time > mark.event_time + self.future + paused:
            raise IN_THE_FUTURE
        return Mark(time, accepted_ms) if time > mark.event_time else mark
