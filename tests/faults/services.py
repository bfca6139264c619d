"""Faults of the services' processes."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from deploy.local import processes
from shared.stream.clients import SESSION_MS
from tests.faults.world import SERVICES, World
from tests.waiting import elapse, wait_for

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
STOP_SECONDS = 12.0
SCALE_SECONDS = 15.0


def kills(world: World) -> dict[str, Any]:
    """Kill every service once, in random order at random moments.

    A kill landed inside a batch where the service had sent what it had not committed: it then sends that
    again, and the reader skips it.
    """
    order = world.draw.sample(SERVICES, len(SERVICES))
    before, since = world.reader.repeats(), time.monotonic()
    for service in order:
        world.pause(0, APART_SECONDS)
        world.kill(service)
    seconds = world.recovery(since)
    again = world.reader.repeats() - before
    inside = [service for service, topic in OUTPUTS.items() if again[topic]]
    return {"kills": len(order), "inside_batch": len(inside), "recovery_seconds": seconds}


def zombies(world: World) -> dict[str, Any]:
    """Stop a service past its session, let another take over, wake it beside that one: it must end.

    The other is one more instance, or a replacement of the same name, in turns.
    """
    service = world.next_service()
    number = world.draw.randrange(2)
    zombie = wait_for(lambda: world.stack.supervisor.pid(service), what=f"a process of {service}")
    since = time.monotonic()
    os.kill(zombie, signal.SIGSTOP)
    other = world.instance(service, number)
    taken = world.recovery(since)
    elapse(max(0.0, SESSION_MS / 1000 + 2 - (time.monotonic() - since)))
    since = time.monotonic()
    os.kill(zombie, signal.SIGCONT)
    wait_for(lambda: world.stack.supervisor.pid(service) != zombie, 30, f"the end of the zombie {service}")
    woken = world.recovery(since)
    since = time.monotonic()
    codes = [processes.stop(other, STOP_SECONDS)] if number else []
    wait_for(lambda: other.poll() is not None, 30, f"the end of the other {service}")
    slowest = max(taken, woken, world.recovery(since))
    found = {"service": service, "is_same_name": number == 0, "exit_codes": codes}
    return {**found, "recovery_seconds": slowest}


def scaling(world: World) -> dict[str, Any]:
    """Add two instances of a service, and take them away again."""
    service, since = world.next_service(), time.monotonic()
    others = [world.instance(service, number) for number in (1, 2)]
    more = world.recovery(since)
    elapse(max(0.0, SCALE_SECONDS - (time.monotonic() - since)))
    since = time.monotonic()
    processes.stop_all(others, STOP_SECONDS)
    codes = [other.returncode for other in others]
    return {"service": service, "exit_codes": codes, "recovery_seconds": max(more, world.recovery(since))}


def stops(world: World) -> dict[str, Any]:
    """Tell a random service to leave; the supervisor starts it again."""
    service = world.draw.choice(SERVICES)
    world.pause(0, APART_SECONDS)
    child = wait_for(lambda: world.stack.supervisor.child(service), what=f"a process of {service}")
    since = time.monotonic()
    child.terminate()
    wait_for(lambda: child.poll() is not None, 3 * LEAVE_SECONDS, f"the end of {service}")
    left = round(time.monotonic() - since, 2)
    found = {"service": service, "leave_seconds": left, "exit_codes": [child.returncode]}
    return {**found, "recovery_seconds": world.recovery(since)}
