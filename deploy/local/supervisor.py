"""Starts services as child processes, and starts them again when they end."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import processes
from deploy.local.ports import HOST, free_port
from shared.stream.clients import DependencyError

log = logging.getLogger("supervisor")

# A record that ends a service is set aside at its fifth start: also after earlier failures that takes
# less than half a minute. A start costs a second of one core.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 2.0
HEALTHY_SECONDS = 10.0  # ready for so long: earlier failures are forgotten
READY_SECONDS = 180.0  # eight services on two cores, and numba compiles on the first start
STOP_SECONDS = 12.0  # a service leaves within 10
HOPELESS_STARTS = 4  # a service that never was ready and ended so often will not start
LOOK_SECONDS, CHECK_SECONDS, ANSWER_SECONDS = 0.05, 1.0, 0.5


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of one service."""

    service: str
    pid: int | None
    port: int
    is_ready: bool
    restarts: int


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start; ``now`` is monotonic seconds.

    Examples
    --------
    >>> backoff = Backoff()
    >>> [round(backoff.failed(now=0), 1) for _ in range(8)]
    [0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0]
    >>> backoff.was_ready(now=10); backoff.was_ready(now=20); backoff.failed(now=21)
    0.2
    """

    failures: int = 0
    healthy_since: float | None = None

    def was_ready(self, now: float) -> None:
        """Take note of health; long health wipes out the failures before it."""
        if self.healthy_since is None:
            self.healthy_since = now
        elif now - self.healthy_since >= HEALTHY_SECONDS:
            self.failures = 0

    def failed(self, now: float) -> float:
        """Take note of an end; return the seconds to wait."""
        self.healthy_since = None
        self.failures += 1
        doubled = FIRST_WAIT_SECONDS * 2.0 ** min(self.failures - 1, 30)
        return min(LONGEST_WAIT_SECONDS, doubled)


@dataclass(slots=True)
class Worker:
    """One service with its process, while there is one."""

    name: str
    command: Sequence[str | Path]
    variables: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    child: processes.Child | None = None
    backoff: Backoff = field(default_factory=Backoff)
    restarts: int = 0
    is_ready: bool = False
    has_been_ready: bool = False
    due: float = 0.0
    check_due: float = 0.0

    def start(self) -> None:
        """Start the process, on the port it had when that is free."""
        self.port = free_port(self.port)
        variables = {**self.variables, "MILLRACE_HTTP_PORT": str(self.port)}
        self.child = processes.start(self.command, self.log, variables)
        self.check_due = 0.0
        log.info("started", extra={"service": self.name, "pid": self.child.pid})

    def look(self, now: float) -> bool:
        """Start, bury or check the process as is due; return whether something changed."""
        if self.child is None:
            if now < self.due:
                return False
            self.start()
            return True
        if self.child.poll() is not None:
            self._bury(self.child, now)
            return True
        if now < self.check_due:
            return False
        was_ready, self.is_ready = self.is_ready, answers(self.port)
        self.check_due = now + (CHECK_SECONDS if self.is_ready else LOOK_SECONDS)
        if self.is_ready:
            self.has_been_ready = True
            self.backoff.was_ready(now)
        return was_ready != self.is_ready

    @property
    def living(self) -> processes.Child | None:
        """Its process; None between two starts."""
        child = self.child
        return child if child is not None and child.poll() is None else None

    def status(self) -> Status:
        """Return what is known."""
        living = self.living
        pid = living.pid if living is not None else None
        return Status(self.name, pid, self.port, self.is_ready and pid is not None, self.restarts)

    def _bury(self, child: processes.Child, now: float) -> None:
        processes.forget(child)
        self.child, self.is_ready = None, False
        self.restarts += 1
        wait = self.backoff.failed(now)
        self.due = now + wait
        extra = {"service": self.name, "code": child.returncode, "again_in_seconds": wait}
        log.warning("ended", extra=extra)


class Supervisor:
    """Keeps services running from `start` to `stop`; their output is in ``folder``/<service>.log.

    All processes are children of one thread of this process, so that the system ends them when this
    process is killed.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str | Path]],
        variables: Callable[[str], Mapping[str, str]],
        folder: Path,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._workers = {
            name: Worker(name, command, variables(name), folder / f"{name}.log")
            for name, command in commands.items()
        }
        self._on_change = on_change
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, seconds: float = READY_SECONDS) -> None:
        """Start all services and return when all are ready.

        Raises
        ------
        DependencyError
            If one is not ready in time or ends again and again; its message holds the end of the log.
        """
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()
        try:
            self.await_ready(seconds)
        except BaseException:
            self.stop()
            raise

    def await_ready(self, seconds: float = READY_SECONDS, service: str | None = None) -> None:
        """Return when all services, or the one named, are ready.

        Raises
        ------
        DependencyError
            As in `start`.
        """
        deadline = time.monotonic() + seconds
        awaited = [self._worker(service)] if service else list(self._workers.values())
        while not all(worker.status().is_ready for worker in awaited):
            late = [worker for worker in awaited if not worker.is_ready]
            hopeless = [w for w in late if not w.has_been_ready and w.restarts >= HOPELESS_STARTS]
            if hopeless:
                raise DependencyError(_tale(hopeless, f"ended {HOPELESS_STARTS} times while starting"))
            if time.monotonic() > deadline:
                raise DependencyError(_tale(late, f"not ready within {seconds:g} seconds"))
            time.sleep(LOOK_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End all services by SIGTERM, after ``seconds`` by SIGKILL."""
        with self._lock:  # before the thread learns of it: it then waits for children that nobody has told
            self._stopping.set()
            children = [worker.child for worker in self._workers.values() if worker.child is not None]
            killed = processes.stop_all(children, seconds)
        if killed:
            log.warning("killed because they did not leave", extra={"pids": killed})
        if self._thread is not None:
            self._thread.join()

    def kill(self, service: str) -> int:
        """End a service as a crash would; return the id of the process that was. It is started again."""
        with self._lock:
            child = self._worker(service).child
            if child is None:
                raise DependencyError(f"{service} does not run at this moment")
            child.kill()
            child.wait()
            return child.pid

    def child(self, service: str) -> processes.Child | None:
        """Return the process of a service; None between two starts."""
        return self._worker(service).living

    def pid(self, service: str) -> int | None:
        """Return the process id of a service; None between two starts."""
        return self._worker(service).status().pid

    def port(self, service: str) -> int:
        """Return the port of a service's metrics and health."""
        return self._worker(service).port

    def statuses(self) -> list[Status]:
        """Return what is known of each service, in the order given."""
        return [worker.status() for worker in self._workers.values()]

    def log(self, service: str) -> Path:
        """Return the file that holds a service's output."""
        return self._worker(service).log

    def _worker(self, service: str) -> Worker:
        if service not in self._workers:
            raise KeyError(f"no service {service} here, only {', '.join(self._workers)}")
        return self._workers[service]

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            with self._lock:
                if self._stopping.is_set():
                    break
                now = time.monotonic()
                changed = [worker.look(now) for worker in self._workers.values()]
            if any(changed):
                self._on_change()
        self._stopped()

    def _stopped(self) -> None:
        with self._lock:  # this thread may end only after its children: their lives hang on it
            for worker in self._workers.values():
                if worker.child is not None:
                    worker.child.wait()


def answers(port: int) -> bool:
    """Return whether a service says on its port that it is ready."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tale(workers: Sequence[Worker], what: str) -> str:
    first = workers[0]
    names = ", ".join(worker.name for worker in workers)
    return f"{names}: {what}; {first.log} ends with: {processes.tail(first.log)}"
