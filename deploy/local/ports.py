"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
# Below every system's range for outgoing connections: a client that retries a closed port inside that
# range can connect to itself and then holds the port against a broker that starts again on it.
FIRST, LAST = 20_000, 32_000


def free_port(preferred: int | None = None) -> int:
    """Return a port that nothing listens on: the preferred one when it is free."""
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.SystemRandom().sample(range(FIRST, LAST), LAST - FIRST):
        if is_free(port):
            return port
    raise OSError(f"no port between {FIRST} and {LAST} is free on {HOST}")


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Return whether something accepts connections on a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        return client.connect_ex((HOST, port)) == 0
