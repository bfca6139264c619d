"""The supervisor over small services: starts, restarts, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.supervisor import Supervisor
from deploy.local.variables import variables
from shared.settings import Settings
from shared.stream.clients import DependencyError
from tests.waiting import wait_for

SERVICE = """
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
def leave(number, frame):
    print("left in order", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else leave)
print("serves", flush=True)
HTTPServer(("127.0.0.1", int(os.environ["MILLRACE_HTTP_PORT"])), Ready).serve_forever()
"""

PARENT = """
import sys, threading
from pathlib import Path
from deploy.local.processes import environment
from deploy.local.supervisor import Supervisor
one = Supervisor({"one": [sys.executable, "-c", sys.argv[1]]}, lambda name: environment(), Path(sys.argv[2]))
one.start(30)
print(one.pid("one"), flush=True)
threading.Event().wait()
"""

Make = Callable[..., Supervisor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def supervisor(*words: str, code: str = SERVICE) -> Supervisor:
        one = Supervisor({"one": [sys.executable, "-c", code, *words]}, _inherited, tmp_path)
        made.append(one)
        return one

    yield supervisor
    for each in made:
        each.stop(1)


def _inherited(name: str) -> Mapping[str, str]:
    return processes.environment()


def test_a_killed_service_is_started_again_and_counted(make: Make) -> None:
    supervisor = make()
    supervisor.start(30)
    before = supervisor.kill("one")
    after = wait_for(lambda: supervisor.pid("one"))
    supervisor.await_ready(30)
    assert after != before
    assert supervisor.statuses()[0].restarts == 1


def test_a_stop_lets_a_service_leave_in_order(make: Make) -> None:
    supervisor = make()
    supervisor.start(30)
    pid = supervisor.pid("one")
    assert pid is not None
    supervisor.stop(10)
    lines = supervisor.log("one").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("serves", "left in order")
    assert processes.started(pid) == ""


def test_a_service_that_ignores_the_signal_is_killed(make: Make) -> None:
    supervisor = make("stubborn")
    supervisor.start(30)
    pid = supervisor.pid("one")
    assert pid is not None
    supervisor.stop(0.5)
    assert processes.started(pid) == ""


def test_a_service_that_cannot_start_is_reported_with_its_last_words(make: Make) -> None:
    supervisor = make(code="raise SystemExit('the wheel is missing')")
    with pytest.raises(DependencyError, match=r"one: ended 4 times.*the wheel is missing"):
        supervisor.start(30)


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = processes.identity(int(parent.stdout.readline()))
        assert child.is_alive
        os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not child.is_alive, what="the end of the child")


def test_a_child_reads_the_settings_of_its_parent(tmp_path: Path) -> None:
    given = {
        "MILLRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "MILLRACE_KAFKA__SASL_USERNAME": "me",
        "MILLRACE_STREAM__COMMIT_MS": "20",
        "MILLRACE_FEATURES__IS_CACHED": "false",
        "MILLRACE_STATE_FOLDER": str(tmp_path),
        "MILLRACE_SECRETS__TOKENS": "A" * 43 + "=",
    }
    settings = Settings.load(given, tmp_path / "none")
    assert Settings.load(variables(settings), tmp_path / "none") == settings
