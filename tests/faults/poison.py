"""Bad records of every kind among good ones: each in the dead letters once, and at what cost.

Rounds with and without bad records alternate at full speed. Then one reason is mended, an id that may be
longer, and all letters are sent again: exactly that reason's come back.
The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from deploy.local import processes
from deploy.local.stack import Stack
from services.cli.dead_letters import waiting
from services.cli.demo.poison import poison
from services.cli.demo.story import await_quiet
from services.cli.run import SERVICES as COMMANDS
from services.replay.sender import Sender
from services.replay.simulator import Simulation
from shared.settings import Settings
from shared.stream.clients import read_topic
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import conclude, least, most
from tests.bench.payments import of_frame
from tests.bench.world import environment
from tests.faults.models import publish_model
from tests.faults.world import SERVICES
from tests.waiting import wait_for

PAYMENTS, BAD = 100_000, 1000
# All lies within few days: what was too far in the future still is so when it comes again.
CUSTOMERS, TERMINALS, DAYS = 50_000, 5000, 10
ROUNDS = 4
LEAST_SPEED = 0.9
STOP_SECONDS = 12.0
DRAIN_SECONDS = 120.0
SLICE = 500
MENDED, LONGER = "id_too_long", 128
Raw = tuple[str, bytes, bytes]


class Ingest:
    """The service that refuses, started anew with other settings."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._log = log
        self._child = self._start(settings)

    def restart(self, settings: Settings) -> None:
        """End it in order and start it with other settings."""
        self.stop()
        self._child = self._start(settings)

    def stop(self) -> None:
        """End it in order."""
        processes.stop(self._child, STOP_SECONDS)

    def _start(self, settings: Settings) -> processes.Child:
        return processes.start([sys.executable, "-m", *COMMANDS["ingest"]], self._log, environment(settings))


class Rounds:
    """Loads at full speed, with and without bad records."""

    def __init__(self, settings: Settings, payments: int, bad: int) -> None:
        self._settings, self._payments, self._every = settings, payments, payments // bad
        self._days = Simulation(customers=CUSTOMERS, terminals=TERMINALS, days=DAYS, seed=3).frames()
        self._left, self._number = next(self._days), 0
        self._sender = Sender(settings, ("transactions.raw.v1", "labels.raw.v1"))
        self.reasons: Counter[str] = Counter()
        self.good = 0

    def through(self, is_poisoned: bool) -> float:
        """Send a load and return the payments a second that came out as scores."""
        good_before = self.good
        records = list(self._records(is_poisoned))
        arrivals, began = Arrivals(self._settings, self._settings.topic("scores.v1")), time.monotonic()
        for first in range(0, len(records), SLICE):
            for topic in ("transactions.raw.v1", "labels.raw.v1"):
                part = [each[1:] for each in records[first : first + SLICE] if each[0] == topic]
                self._sender.send(topic, part)
        self._sender.flush()
        due = self.good - good_before
        wait_for(lambda: arrivals.count() >= due, DRAIN_SECONDS, f"{due} scores")
        rate = due / (time.monotonic() - began)
        arrivals.close()
        await_quiet(self._settings)
        return rate

    def _records(self, is_poisoned: bool) -> Iterator[Raw]:
        while self._left.height < self._payments:
            self._left = pl.concat([self._left, next(self._days)])
        frame, self._left = self._left[: self._payments], self._left[self._payments :]
        for number, (time_of, message) in enumerate(
            zip(frame["event_time"].to_list(), _raws(frame), strict=True)
        ):
            self.good += 1
            yield message
            if is_poisoned and number % self._every == self._every - 1:
                yield from self._bad(time_of)

    def _bad(self, event_time: int) -> Iterator[Raw]:
        for record in poison(self._number, event_time):
            if record.reason:
                self.reasons[record.reason] += 1
            else:
                self.good += 1
            yield record.topic, record.key, record.value
        self._number += 1


def _raws(frame: Any) -> Iterator[Raw]:
    for message in of_frame(frame).messages:
        yield "transactions.raw.v1", message["key"], message["value"]


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    size = round(PAYMENTS * arguments.share / ROUNDS), round(BAD * arguments.share / ROUNDS)
    others = tuple(name for name in SERVICES if name != "ingest")
    with tempfile.TemporaryDirectory() as name, Stack(Path(name), others) as stack:
        publish_model(stack.settings)
        ingest = Ingest(stack.settings, stack.folder / "log" / "ingest.log")
        try:
            found = run(stack.settings, ingest, size)
        finally:
            ingest.stop()
    held = [
        least(
            "speed with bad records / without", found["speed_with_bad"] / found["speed_without"], LEAST_SPEED
        ),
        most("bad records without exactly one letter of their reason", found["letters_amiss"], 0),
        most("scores amiss before the replay", found["scores_amiss"], 0),
        most("payments amiss after the replay", found["replayed_amiss"], 0),
    ]
    return conclude({**found, "seconds": round(time.monotonic() - began)}, held)


def run(settings: Settings, ingest: Ingest, size: tuple[int, int]) -> dict[str, Any]:
    """Send all rounds, mend a reason, and send the letters again; return what was found."""
    rounds = Rounds(settings, *size)
    rounds.through(is_poisoned=True)
    speeds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS - 1):
        for is_poisoned in speeds:
            speeds[is_poisoned].append(rounds.through(is_poisoned))
    letters = waiting(settings)
    found = Counter(letter.record["reason"] for letter in letters)
    before = scored(settings)
    mendable = [letter.record["reason"] for letter in letters].count(MENDED)
    longer = settings.ingest.model_copy(update={"max_id_length": LONGER})
    ingest.restart(settings.model_copy(update={"ingest": longer}))
    code = replayed(settings)
    await_quiet(settings)
    come = scored(settings) - before
    return {
        "payments": rounds.good,
        "bad": rounds.reasons.total(),
        "speed_without": round(statistics.median(speeds[False])),
        "speed_with_bad": round(statistics.median(speeds[True])),
        "letters_amiss": ((found - rounds.reasons) + (rounds.reasons - found)).total(),
        "scores_amiss": abs(rounds.good - before.total()),
        "mendable": mendable,
        "come_back": come.total(),
        "replayed_amiss": abs(come.total() - mendable)
        + sum(not name.startswith(b"poison-") for name in come),
        "replay_exit_code": code,
    }


def scored(settings: Settings) -> Counter[bytes]:
    """Return how often each payment was scored."""
    return Counter(message.key() or b"" for message in read_topic(settings, "scores.v1"))


def replayed(settings: Settings) -> int:
    """Send all dead letters again, by the command; return its exit code."""
    command = [sys.executable, "-m", "services.cli.main", "dead-letters", "replay"]
    return subprocess.run(command, env=environment(settings), check=False, stdout=sys.stderr).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("poison", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of 100,000 payments (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
