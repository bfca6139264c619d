"""A TCP proxy before the broker that can hold bytes back, in either direction, and a broker behind one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.kafka import Kafka
from deploy.local.ports import HOST, free_port

CHUNK_BYTES = 65_536
Passes = Callable[[], Awaitable[object]]
LISTENERS = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT"


@dataclass(slots=True)
class _Link:
    """One connection, with the gates that its bytes pass; ``requests`` closes when its client has gone."""

    requests: asyncio.StreamWriter
    to_broker: asyncio.Event
    to_clients: asyncio.Event


class Proxy:
    """Hands on what comes to ``port``, in a thread of its own, except where it is told to hold it."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._to_broker, self._to_clients = asyncio.Event(), asyncio.Event()
        self._links: list[_Link] = []
        self._pumps: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self.hold(to_broker=False, to_clients=False)
        serving = asyncio.start_server(self._serve, HOST, self.port)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result(5)

    def hold(self, to_broker: bool, to_clients: bool) -> None:
        """Say which directions are held from now on; what is held goes on later, as after a partition."""
        for gate, is_held in ((self._to_broker, to_broker), (self._to_clients, to_clients)):
            self._loop.call_soon_threadsafe(gate.clear if is_held else gate.set)

    def stall(self, is_stalled: Callable[[], bool]) -> int:
        """Hold for ever what the broker answers on chosen ones of the open connections; return how many."""
        return asyncio.run_coroutine_threadsafe(self._stall(is_stalled), self._loop).result(5)

    async def _stall(self, is_stalled: Callable[[], bool]) -> int:
        chosen = [link for link in self._links if not link.requests.is_closing() and is_stalled()]
        for link in chosen:
            link.to_clients = asyncio.Event()
        return len(chosen)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection(HOST, self._target)
        except OSError:  # the broker is away: so is this connection
            writer.close()
            return
        link = _Link(requests, self._to_broker, self._to_clients)
        self._links.append(link)
        for pump in (
            self._pump(reader, requests, lambda: link.to_broker.wait()),
            self._pump(answers, writer, lambda: link.to_clients.wait()),
        ):
            task = self._loop.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Passes) -> None:
        try:
            while content := await reader.read(CHUNK_BYTES):
                await passes()
                writer.write(content)
                await writer.drain()
            await passes()  # the end of a connection is held back too
        except OSError:  # one side has gone: the other learns it below
            pass
        finally:
            writer.close()


class ProxiedKafka(Kafka):
    """A broker whose clients are led through a proxy; at ``direct`` it is reached without."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._proxied = free_port()
        self.proxy = Proxy(self._proxied)
        self.proxy.start()

    @property
    def bootstrap(self) -> str:
        """Address of the proxy."""
        return f"{HOST}:{self.proxy.port}"

    @property
    def direct(self) -> str:
        """Address of the broker itself."""
        return f"{HOST}:{self.port}"

    def _configure(self) -> None:
        super()._configure()
        listeners = f"PLAINTEXT://{self.direct},CONTROLLER://{HOST}:{self._controller_port}"
        lines = (
            f"listeners={listeners},PROXIED://{HOST}:{self._proxied}",
            f"advertised.listeners=PLAINTEXT://{self.direct},PROXIED://{self.bootstrap}",
            f"listener.security.protocol.map={LISTENERS}",
        )
        with self._configuration.open("a") as content:  # of two lines of one name the later holds
            content.write("\n".join([*lines, ""]))
