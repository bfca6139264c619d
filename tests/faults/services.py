"""Faults of the services' processes."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from tests.faults.world import SERVICES, World
from tests.waiting import wait_for

OUTPUTS = {
    "ingest": "transactions.v1",
    "features.customer": "features.customer.v1",
    "features.terminal": "features.terminal.v1",
    "scoring": "scores.v1",
    "alerts": "alerts.v1",
}
"""The stream topic that each service writes, alone."""
APART_SECONDS = 0.5
LEAVE_SECONDS = 10.0


def kills(world: World) -> dict[str, Any]:
    """Kill every service once, in random order at random moments.

    A kill landed inside a batch where the service had sent what it had not committed: it then sends that
    again, and the reader skips it.
    """
    order = world.draw.sample(SERVICES, len(SERVICES))
    before, since = world.reader.repeats(), time.monotonic()
    for service in order:
        world.pause(0, APART_SECONDS)
        wait_for(lambda service=service: world.stack.supervisor.pid(service), what=f"a process of {service}")
        world.stack.supervisor.kill(service)
    seconds = world.recovery(since)
    again = world.reader.repeats() - before
    inside = [service for service, topic in OUTPUTS.items() if again[topic]]
    return {"kills": len(order), "inside_batch": len(inside), "recovery_seconds": seconds}


def stops(world: World) -> dict[str, Any]:
    """Tell a random service to leave; the supervisor starts it again."""
    service = world.draw.choice(SERVICES)
    world.pause(0, APART_SECONDS)
    pid = wait_for(lambda: world.stack.supervisor.pid(service), what=f"a process of {service}")
    since = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: world.stack.supervisor.pid(service) != pid, 3 * LEAVE_SECONDS, f"the end of {service}")
    left = time.monotonic() - since
    return {"service": service, "leave_seconds": round(left, 2), "recovery_seconds": world.recovery(since)}
