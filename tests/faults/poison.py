"""Bad records of every kind among good ones: each in the dead letters once, and at what cost.

Rounds with and without bad records alternate at full speed. Then one reason is mended, an id that may be
longer, and all letters are sent again: exactly that reason's come back.
The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from deploy.local import processes
from deploy.local.stack import Stack
from services.cli.demo.poison import poison
from services.cli.demo.story import await_quiet
from services.cli.run import SERVICES as COMMANDS
from services.replay.sender import Sender
from services.replay.simulator import Simulation
from shared import wire
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
STAYING = ("oversize", "forbidden_field")
"""Reasons whose letters do not hold the whole record: the command leaves them and ends with 1."""
Raw = tuple[str, bytes, bytes]
Place = tuple[str, int, int]


class Ingest:
    """The service that refuses, started anew with other settings."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._log = log
        self._child = self._start(settings)

    def restart(self, settings: Settings) -> None:
        """End it in order and start it with other settings."""
        code = self.stop()
        assert code == 0, f"ingest left with exit code {code}"
        self._child = self._start(settings)

    def stop(self) -> int:
        """End it in order; return its exit code."""
        return processes.stop(self._child, STOP_SECONDS)

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
        self.good: Counter[bytes] = Counter()
        """Ids of the payments that must be scored."""
        self.mendable: Counter[bytes] = Counter()
        """Ids of those that must be once the reason is mended."""

    def through(self, is_poisoned: bool) -> float:
        """Send a load and return the payments a second that came out as scores."""
        good_before = self.good.total()
        records = list(self._records(is_poisoned))
        arrivals, began = Arrivals(self._settings, self._settings.topic("scores.v1")), time.monotonic()
        for first in range(0, len(records), SLICE):
            for topic in ("transactions.raw.v1", "labels.raw.v1"):
                part = [each[1:] for each in records[first : first + SLICE] if each[0] == topic]
                self._sender.send(topic, part)
        self._sender.flush()
        due = self.good.total() - good_before
        wait_for(lambda: arrivals.count() >= due, DRAIN_SECONDS, f"{due} scores")
        rate = due / (time.monotonic() - began)
        arrivals.close()
        await_quiet(self._settings)
        return rate

    def _records(self, is_poisoned: bool) -> Iterator[Raw]:
        while self._left.height < self._payments:
            self._left = pl.concat([self._left, next(self._days)])
        frame, self._left = self._left[: self._payments], self._left[self._payments :]
        payments = of_frame(frame)
        self.good.update(payments.ids)
        for number, (time_of, message) in enumerate(
            zip(frame["event_time"].to_list(), payments.messages, strict=True)
        ):
            yield "transactions.raw.v1", message["key"], message["value"]
            if is_poisoned and number % self._every == self._every - 1:
                yield from self._bad(time_of)

    def _bad(self, event_time: int) -> Iterator[Raw]:
        for record in poison(self._number, event_time):
            if record.reason:
                self.reasons[record.reason] += 1
                self.mendable.update([record.key] * (record.reason == MENDED))
            else:
                self.good[json.loads(record.value)["transaction_id"].encode()] += 1
            yield record.topic, record.key, record.value
        self._number += 1


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
        most("exit codes of the replay that are not as documented", found["replay_codes_amiss"], 0),
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
    sent, before = letters(settings), scored(settings)
    longer = settings.ingest.model_copy(update={"max_id_length": LONGER})
    ingest.restart(settings.model_copy(update={"ingest": longer}))
    code, right_code = replayed(settings), int(any(rounds.reasons[reason] for reason in STAYING))
    await_quiet(settings)
    come = scored(settings)
    come.subtract(before)
    return {
        "payments": rounds.good.total(),
        "bad": rounds.reasons.total(),
        "speed_without": round(statistics.median(speeds[False])),
        "speed_with_bad": round(statistics.median(speeds[True])),
        "letters_amiss": letters_amiss(rounds.reasons, sent),
        "scores_amiss": differences(rounds.good, before),
        "mendable": rounds.mendable.total(),
        "come_back": come.total(),
        "replayed_amiss": differences(rounds.mendable, come),
        "replay_exit_code": code,
        "replay_codes_amiss": int(code != right_code),
    }


def letters(settings: Settings) -> list[tuple[Place, str]]:
    """Return the place and the reason of every dead letter, also of those that stand there again."""
    records = (
        wire.decode(message.value() or b"", "dead-letters.v1")
        for message in read_topic(settings, "dead-letters.v1")
    )
    return [((each["topic"], each["partition"], each["offset"]), each["reason"]) for each in records]


def letters_amiss(reasons: Counter[str], found: Sequence[tuple[Place, str]]) -> int:
    """Return how many letters are too many for their place, and how many miss or have another reason."""
    of_place = dict(reversed(found))
    return len(found) - len(of_place) + differences(reasons, Counter(of_place.values()))


def differences(expected: Counter[Any], found: Counter[Any]) -> int:
    """Return how many are missing and how many are too many."""
    return sum(abs(found[name] - expected[name]) for name in expected.keys() | found.keys())


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
