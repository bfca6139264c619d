"""`make soak`: half of what the services can carry for long, with kills: their memory stays flat.

The last line of stdout is one JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from services.cli.demo.story import Days
from services.replay.delayed import Delays
from services.replay.player import Play, Player
from services.replay.simulator import Simulation
from tests.accuracy import served
from tests.bench.bounds import conclude, least, most
from tests.faults.groups import caught_up
from tests.faults.memory import Memory, slope
from tests.faults.models import publish_model
from tests.faults.world import SERVICES
from tests.waiting import elapse, wait_for

MINUTES, KILLS, SHARE_OF_CAPACITY = 20.0, 5, 0.5
MOST_MIB = 1.0  # for each 100,000 payments
PART = 100_000
CUSTOMERS, DAYS = 5000, 100_000
PAYMENTS_A_DAY = 10_000  # of so many customers
WARM_UP_DAYS, CAPACITY_DAYS = 3, 6
HISTORY_DAYS = 75  # windows look back so far: until then they fill
WARM_PAYMENTS = 300_000  # of each process: until then its buffers and caches fill
DELAYS = Delays(0.5, 3.0)
FULL_SPEED = 1e9
LEAST_SENT = 0.9  # of rate times length: days differ


class Load:
    """Days of payments, one after the other, as fast as told."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack, self._day = stack, 0
        self._simulation = Simulation(customers=CUSTOMERS, terminals=CUSTOMERS, days=DAYS, seed=seed)
        self._player: Player | None = None
        self._before = 0

    @property
    def sent(self) -> int:
        """How many payments were sent."""
        return self._before + (self._player.summary.payments if self._player else 0)

    def play(self, days: int, rate: float) -> None:
        """Send the payments of so many days, and the labels that are due meanwhile."""
        pending = self._player.pending if self._player else []
        self._before = self.sent
        self._player = Player(self._stack.settings, Play(rate=rate, delays=DELAYS))
        self._player.pending = pending
        part = Days(self._simulation, self._day, self._day + days)
        self._day += days
        self._player.run(part)

    def capacity(self) -> float:
        """Return payments a second that all services carry, sent meanwhile as fast as it goes."""
        for days in (WARM_UP_DAYS, CAPACITY_DAYS):
            began, before = time.monotonic(), self.sent
            self.play(days, FULL_SPEED)
            caught_up(self._stack.settings)
            found = (self.sent - before) / (time.monotonic() - began)
        return found


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    minutes = MINUTES * arguments.share
    with tempfile.TemporaryDirectory() as name, Stack(Path(name), SERVICES) as stack:
        publish_model(stack.settings)
        load = Load(stack, arguments.seed)
        rate = SHARE_OF_CAPACITY * load.capacity()
        first = max(load.sent, min(HISTORY_DAYS * PAYMENTS_A_DAY, minutes * 60 * rate / 2))
        before = load.sent
        memory = soaked(stack, load, rate, minutes, arguments)
        scored = served.count(stack.settings, "scores.v1")
    slopes = {name: slope(samples, first, WARM_PAYMENTS) * PART for name, samples in memory.samples.items()}
    result = {
        "minutes": minutes,
        "payments_per_second": round(rate),
        "payments": load.sent,
        "counted_from_payment": round(first),
        "mib_per_100000_payments": {name: round(each, 3) for name, each in slopes.items()},
        "last_mib": {name: round(samples[-1].mib) for name, samples in memory.samples.items()},
        "seconds": round(time.monotonic() - began),
    }
    held = [most(f"{name}: MiB for each 100,000 payments", each, MOST_MIB) for name, each in slopes.items()]
    sent = (load.sent - before) / (rate * minutes * 60)
    held.append(least("payments sent / rate x minutes", sent, LEAST_SENT))
    return conclude(result, [*held, most("payments not scored once", abs(load.sent - scored), 0)])


def soaked(stack: Stack, load: Load, rate: float, minutes: float, arguments: Any) -> Memory:
    """Send payments at a rate for so long, killing services meanwhile; return memory.

    A failure to send is raised here.
    """
    draw = random.Random(arguments.seed)
    days = math.ceil(minutes * 60 * rate / PAYMENTS_A_DAY)
    memory = Memory(stack.supervisor, lambda: load.sent)
    memory.start()
    with ThreadPool(1) as pool:  # its thread keeps no process alive
        sending = pool.apply_async(load.play, (days, rate))
        for _ in range(arguments.kills):
            elapse(minutes * 60 / (arguments.kills + 1))
            service = draw.choice(SERVICES)
            print(f"soak: {load.sent} payments, killing {service}", file=sys.stderr, flush=True)
            wait_for(lambda service=service: stack.supervisor.pid(service), 30, f"a process of {service}")
            stack.supervisor.kill(service)
        sending.get()
    memory.stop()
    caught_up(stack.settings)
    return memory


def _arguments() -> Any:
    parser = argparse.ArgumentParser("soak", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help=f"of {MINUTES:g} minutes (%(default)s)")
    parser.add_argument("--kills", type=int, default=KILLS, help="%(default)s")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
