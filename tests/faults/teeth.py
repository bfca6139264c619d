"""The checkers of `make faults` bite: each fault that is planted in a tiny service is found for what it is.

The last line of stdout is one JSON object; the exit code is 1 when one is missed, or a sound service blamed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.local.kafka import Kafka
from deploy.local.stack import folder_settings
from services.replay.sender import Sender
from shared import wire
from shared.settings import Settings
from shared.stream import topics
from shared.stream.clients import read_topic
from shared.wire.framing import header
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import conclude, least, most
from tests.faults.planted import BATCH_SECONDS, FINDINGS, PLANTED
from tests.faults.reading import Reading, Sent, parsed
from tests.faults.single import Record, SingleThread
from tests.faults.stream_stage import INPUT, OUTPUT, Tiny
from tests.faults.tiny import Service, payments, send
from tests.faults.verdict import compared
from tests.waiting import POLL_SECONDS, elapse

PAYMENTS, PARTS, OVERSIZED, AGAIN = 1600, 4, 500, 40
TORN_PART = 2
TORN_AFTER = 100  # payments of its part: no multiple of a batch, so that fresh ones share its batch
REPEATED_PART = 3
SETTLED_SECONDS = 1.0  # what was taken is committed by then
NEEDS_OVERSIZED, NEEDS_TORN = ("sound", "no_gap_rule"), ("sound", "swallowed_exception")
NEEDS_REPEATED = ("sound", "no_positions_committed")
TAKEOVER_SECONDS = 9.0  # a session lasts ten: a member that is known does not wait for its end
STALL_SECONDS, STALL_OF_BAD_SECONDS = 20.0, 60.0  # a bad record costs five starts
TINY = {"CHECKPOINT_SECONDS": "0.3", "MAX_BATCH": "40"}


class Bite:
    """One planted fault under kills, repeats and bad records."""

    def __init__(self, name: str, settings: Settings, folder: Path) -> None:
        self._name, self._settings = name, settings
        self._service = Service(settings, folder, ("tests.faults.planted", name), TINY)
        self._arrivals = Arrivals(settings, settings.topic(OUTPUT))
        self._rows = payments(PAYMENTS, OVERSIZED if name in NEEDS_OVERSIZED else None)
        self._sent = {
            row["transaction_id"]: Sent(number, row["customer_id"].encode(), row["event_time"])
            for number, row in enumerate(self._rows)
        }
        self._draw = random.Random(name)
        self._takeovers: list[float] = []
        has_bad = name in (*NEEDS_OVERSIZED, *NEEDS_TORN)
        self._stall_seconds = STALL_OF_BAD_SECONDS if has_bad else STALL_SECONDS

    def found(self) -> dict[str, float]:
        """Return what the checkers find."""
        try:
            for part in range(PARTS):
                self._part(part)
            due = PAYMENTS - (self._name in NEEDS_OVERSIZED)
            self._until(lambda count: count >= due and len(self._reading().accepted) >= due)
        finally:
            self._service.kill()
            self._arrivals.close()
        return {**self._verdict(), "slow_takeovers": sum(each > TAKEOVER_SECONDS for each in self._takeovers)}

    def _part(self, part: int) -> None:
        """Send a part of the payments, some of them again as a killed sender does; kill amid them."""
        size = PAYMENTS // PARTS
        first, middle = part * size, part * size + size // 2
        amid = first + TORN_AFTER
        is_torn = part == TORN_PART and self._name in NEEDS_TORN
        if is_torn:
            self._service.kill()  # started again it finds all there: the torn record shares a batch
        send(self._settings, self._rows[first:amid], first)
        if is_torn:
            sender = Sender(self._settings, (INPUT,))
            sender.send(INPUT, [(b"torn", header(INPUT) + b"torn")])
            sender.flush()
        send(self._settings, self._rows[amid:middle], amid)
        is_killed_first = part == REPEATED_PART and self._name in NEEDS_REPEATED
        if is_killed_first:
            self._until(lambda count: count >= middle - (self._name in NEEDS_OVERSIZED))
            elapse(SETTLED_SECONDS)
            self._service.kill()  # what it meets first when it starts again are repeats
        send(self._settings, self._rows[middle - AGAIN : middle], middle - AGAIN)
        if not is_killed_first:
            goal = self._arrivals.count() + self._draw.randrange(AGAIN, size // 2 - AGAIN)
            self._until(lambda count: count >= goal)
            elapse(self._draw.uniform(0, 2 * BATCH_SECONDS))
            self._service.kill()
        killed, before = time.monotonic(), self._arrivals.count()
        send(self._settings, self._rows[middle : first + size], middle)
        self._until(lambda count: count > before)
        self._takeovers.append(time.monotonic() - killed)

    def _until(self, is_enough: Callable[[int], bool]) -> None:
        """Run the service until so many outputs are enough; no longer than it makes some."""
        seen, deadline = -1, time.monotonic() + self._stall_seconds
        while time.monotonic() < deadline:
            self._service.supervise()
            count = self._arrivals.count()
            if count > seen:
                seen, deadline = count, time.monotonic() + self._stall_seconds
                if is_enough(count):
                    return
            elapse(POLL_SECONDS)

    def _verdict(self) -> dict[str, int]:
        return compared(self._expected(), self._reading())

    def _reading(self) -> Reading:
        reading = Reading(OUTPUT, self._sent)
        for message in read_topic(self._settings, OUTPUT):
            reading.take(message.partition() or 0, message.key() or b"", message.value() or b"")
        return reading

    def _expected(self) -> dict[str, bytes]:
        letters = {wire.decode(m.value() or b"", "dead-letters.v1")["offset"] for m in self._letters()}
        inputs = {}
        for message in read_topic(self._settings, INPUT):
            value = message.value() or b""
            if len(value) > len(header(INPUT)) + len(b"torn"):
                inputs.setdefault(wire.decode(value)["transaction_id"], message)
        if self._name in NEEDS_OVERSIZED and inputs[f"p{OVERSIZED:05d}"].offset() in letters:
            del inputs[f"p{OVERSIZED:05d}"]
        single = SingleThread([Tiny()])
        single.feed(
            (INPUT, m.partition() or 0, Record(m.key() or b"", m.value() or b"")) for m in inputs.values()
        )
        outputs = [parsed(record.value) for log in single.logs[OUTPUT] for record in log]
        return {each.name: each.digest for each in outputs}

    def _letters(self) -> list[Any]:
        return list(read_topic(self._settings, "dead-letters.v1"))


def bites(folder: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Return what the checkers find in each planted fault."""
    found = {}
    with Kafka(folder / "kafka") as kafka:
        for name in names:
            settings = folder_settings(folder / name)
            changes = {"topic_prefix": f"{name}.", "kafka": {"bootstrap.servers": kafka.bootstrap}}
            settings = settings.model_copy(update=changes)
            topics.apply(settings)
            found[name] = {
                what: count for what, count in Bite(name, settings, folder / name).found().items() if count
            }
            print(f"teeth: {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def is_caught(name: str, found: Mapping[str, float]) -> bool:
    """Tell whether what was found gives the planted fault away."""
    return any(found.get(what, 0) for what in FINDINGS[PLANTED[name]])


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("teeth", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PLANTED, default=list(PLANTED))
    parser.add_argument("--share", type=float, default=1.0, help="of no effect: all are planted once")
    names, began = parser.parse_args().only, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = bites(Path(folder), names)
    planted = [name for name in names if name != "sound"]
    caught = sum(is_caught(name, found[name]) for name in planted)
    held = [least("planted faults caught", caught, len(planted))]
    if "sound" in found:
        held.append(most("blamed without a fault", sum(found["sound"].values()), 0))
    return conclude({"found": found, "seconds": round(time.monotonic() - began)}, held)


if __name__ == "__main__":
    sys.exit(main())
