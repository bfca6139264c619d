"""`millrace up`: Kafka, Redis and all services on this machine."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from services.cli.run import SERVICES

if TYPE_CHECKING:
    from deploy.local.running import Running
    from shared.settings import Settings

KAFKA_PORT, REDIS_PORT = 9092, 6379  # what the default settings look for
START_SECONDS = 900.0  # the first start may fetch Kafka's jars
POLL_SECONDS = 0.1
FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("--foreground", action="store_true", help="stay until interrupted, log to stderr")
    parser.add_argument(
        "--service", action="append", choices=sorted(SERVICES), help="only this one; may be repeated"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; lines to set a shell by are on stdout, the rest is on stderr."""
    from deploy.local.running import FOLDER, running

    found = running()
    if found is not None:
        print("millrace: it is running already; `millrace down` stops it", file=sys.stderr)
        _tell(found, settings)
        return 0
    services = tuple(arguments.service or SERVICES)
    return _stay(FOLDER, services, settings) if arguments.foreground else _leave(FOLDER, services, settings)


def _stay(folder: Path, services: tuple[str, ...], settings: Settings) -> int:
    from deploy.local.ports import free_port
    from deploy.local.stack import Ports, Stack
    from shared.telemetry import start_logs

    start_logs(settings.log_level, settings.log_format)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if not stopping.is_set():
            stopping.set()
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    ports = Ports(free_port(KAFKA_PORT), free_port(REDIS_PORT))
    try:
        with Stack(folder, services, settings, ports) as stack:
            print(f"millrace: ready; logs are in {stack.folder / 'log'}", file=sys.stderr, flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print("millrace: stopped", file=sys.stderr)
    return 0


def _leave(folder: Path, services: tuple[str, ...], settings: Settings) -> int:
    from deploy.local.processes import tail
    from deploy.local.running import running

    output = folder.absolute() / "log" / "stack.log"
    child = _background(services, output)
    print(f"millrace: starting {len(services)} services...", file=sys.stderr, flush=True)
    deadline = time.monotonic() + START_SECONDS
    try:
        while child.poll() is None and time.monotonic() < deadline:
            found = running(folder)
            if found is not None and found.is_ready:
                _tell(found, settings)
                return 0
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    child.terminate()
    code = child.wait()
    print(f"millrace: the stack did not start; {output} ends with: {tail(output)}", file=sys.stderr)
    return code if code > 0 else FAILED


def _background(services: tuple[str, ...], output: Path) -> subprocess.Popen[bytes]:
    output.parent.mkdir(parents=True, exist_ok=True)
    words = [word for service in services for word in ("--service", service)]
    command = [sys.executable, "-m", "services.cli.main", "up", "--foreground", *words]
    with output.open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _tell(found: Running, settings: Settings) -> None:
    print(f"Kafka  {found.kafka}\nRedis  {found.redis}", file=sys.stderr)
    for service in found.services:
        print(f"{service['service']:<18} http://127.0.0.1:{service['port']}/metrics", file=sys.stderr)
    for name, value in found.exports(settings).items():
        print(f"export {name}={value}")
    if found.exports(settings):
        print("set the lines above in a shell, so that other commands find this stack", file=sys.stderr)
