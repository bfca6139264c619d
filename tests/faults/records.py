"""Records that end the service that takes them."""

from __future__ import annotations

import time
from typing import Any

from services.replay.sender import Sender
from shared import wire
from shared.stream.clients import read_topic
from shared.wire.framing import header
from tests.faults.world import World
from tests.waiting import wait_for

READERS = {
    "transactions.v1": ("features.customer",),
    "features.customer.v1": ("features.terminal",),
    "features.terminal.v1": ("scoring",),
    "scores.v1": ("alerts", "labels"),
}
"""The services that decode each topic."""
SET_ASIDE_SECONDS = 150.0


def crashing(world: World) -> dict[str, Any]:
    """Put a torn record into a topic of the stream; every service that reads it must set it aside."""
    topic = world.draw.choice(list(READERS))
    key = f"torn-{len(world.trials)}".encode()
    sender = Sender(world.settings, (topic,))
    since = time.monotonic()
    sender.send(topic, [(key, header(topic) + b"torn")])
    sender.flush()
    due = {(service, key) for service in READERS[topic]}
    wait_for(lambda: due <= set_aside(world), SET_ASIDE_SECONDS, f"dead letters of {key!r}")
    seconds = time.monotonic() - since
    found = {"topic": topic, "torn": len(due), "set_aside_seconds": round(seconds, 2)}
    return {**found, "recovery_seconds": world.recovery(since)}


def set_aside(world: World) -> set[tuple[str, bytes]]:
    """Return services and keys of the records that crashed them."""
    letters = [
        (message.key() or b"", wire.decode(message.value() or b"", "dead-letters.v1"))
        for message in read_topic(world.settings, "dead-letters.v1")
    ]
    return {(each["service"], key) for key, each in letters if each["reason"] == "crashed_service"}
