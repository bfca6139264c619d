"""Child processes that end with this one, and processes of others told apart from recycled ids."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.stream.clients import DependencyError

Child = subprocess.Popen[bytes]

POLL_SECONDS = 0.02
TAIL_BYTES = 2000
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_children: set[Child] = set()


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its id and when it started, since ids are used again."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return started(self.pid) == self.started


YIELDING = ("nice", "-n", "10")  # before a command: no score waits for it


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of this process with changes, for a child."""
    return {**os.environ, **changes}  # noqa: TID251 - handed on whole, nothing is read here


def start(command: Sequence[str | Path], log: Path, variables: Mapping[str, str] | None = None) -> Child:
    """Start a child that writes to ``log`` and is killed when the calling thread ends.

    It has a process group of its own, so that an interrupt from the terminal reaches only its parent, but
    no session: Linux would weigh sessions first (autogroups, sched(7)), the broker like the least service.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(variables) if variables is not None else None,
            process_group=0,
            preexec_fn=_end_with_parent,
        )
    _children.add(child)
    return child


def stop(child: Child, seconds: float) -> int:
    """End a child by SIGTERM, by SIGKILL after ``seconds``; return its exit code."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
    _children.discard(child)
    return child.wait()


def stop_all(children: Sequence[Child], seconds: float) -> list[int]:
    """End children by SIGTERM at once, those left after ``seconds`` by SIGKILL; return the ids of these."""
    for child in children:
        child.terminate()  # one that has ended and been waited for is left alone
    deadline = time.monotonic() + seconds
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    left = [child for child in children if child.poll() is None]
    for child in left:
        child.kill()
    for child in children:
        child.wait()
        forget(child)
    return [child.pid for child in left]


def forget(child: Child) -> None:
    """Take note that a child has ended and been waited for."""
    _children.discard(child)


def kill(child: Child) -> None:
    """End a child by SIGKILL and wait until it is gone."""
    child.kill()
    child.wait()
    _children.discard(child)


def await_ready(child: Child, name: str, log: Path, is_ready: Callable[[], bool], seconds: float) -> None:
    """Return when a child is ready.

    Raises
    ------
    DependencyError
        If it ends or is not ready in time; the message holds the end of its log.
    """
    deadline = time.monotonic() + seconds
    while True:
        if child.poll() is not None:
            raise DependencyError(
                f"{name} ended with code {child.returncode} while it started; {log}: {tail(log)}"
            )
        if is_ready():
            return
        if time.monotonic() > deadline:
            raise DependencyError(f"{name} was not ready within {seconds:g} seconds; {log}: {tail(log)}")
        time.sleep(POLL_SECONDS)


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip() if log.exists() else "no log"


def identity(pid: int | None = None) -> Identity:
    """Return the identity of a process that runs; of this one when None."""
    number = os.getpid() if pid is None else pid
    return Identity(number, started(number))


def started(pid: int) -> str:
    """Return when a process started, in its system's own words; empty if it does not run."""
    if sys.platform == "linux":
        return _started_ticks(pid)
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def end(processes: Sequence[Identity], seconds: float) -> list[Identity]:
    """Send SIGTERM to processes, SIGKILL to those alive after ``seconds``; return the killed ones."""
    _signal(processes, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(each.is_alive for each in processes) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    left = [each for each in processes if each.is_alive]
    _signal(left, signal.SIGKILL)
    return left


def _signal(processes: Sequence[Identity], number: int) -> None:
    for each in processes:
        if each.is_alive:
            try:
                os.kill(each.pid, number)
            except ProcessLookupError:
                continue


def _started_ticks(pid: int) -> str:
    try:
        content = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *rest = content.rpartition(")")[2].split()  # the name, in brackets, may hold anything
    return "" if state in "ZX" else rest[18]  # field 22 of proc(5): ticks from boot to its start


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


@atexit.register
def _end_children() -> None:
    for child in list(_children):
        kill(child)
