"""A real Apache Kafka on this machine: one node in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.local import processes
from deploy.local.jars import jars
from deploy.local.java import java
from deploy.local.ports import HOST, free_port, is_open
from deploy.local.server import Server
from shared.stream.clients import DependencyError

PROPERTIES = Path(__file__).with_name("server.properties")
LOGGING = Path(__file__).with_name("log4j2.properties")
START_SECONDS = 180.0  # 6 on two idle cores, 50 seen on two that were seven times overbooked
ANSWER_SECONDS = 2.0
MEMORY = ("-Xms512m", "-Xmx512m", "-Xmn256m", "-XX:+UseSerialGC", "-Xshare:auto")
QUICK = "-XX:TieredStopAtLevel=1"  # without the second compiler, which takes a fifth of a core for minutes


class Kafka(Server):
    """A broker whose data, configuration and log lie in ``folder``; it starts again on the same ports.

    One that is ``lasting`` is compiled as a broker in production is: slower for some minutes, then faster.
    """

    name, stop_seconds = "Kafka", 12.0

    def __init__(self, folder: Path, port: int | None = None, lasting: bool = False) -> None:
        super().__init__(folder, port)
        self._controller_port = self.port
        while self._controller_port == self.port:
            self._controller_port = free_port()
        self._options = () if lasting else (QUICK,)

    @property
    def bootstrap(self) -> str:
        """Address for `bootstrap.servers`."""
        return f"{HOST}:{self.port}"

    def start(self) -> str:
        """Start the broker, wait until it answers, and return its address.

        Raises
        ------
        DependencyError
            If Java, Maven or a port is missing, or it does not answer in time.
        """
        if self.is_running:
            return self.bootstrap
        self._configure()
        command = [*self._java(*self._options), "kafka.Kafka", self._configuration]
        self._child = processes.start(command, self._output)
        self._await(START_SECONDS)
        return self.bootstrap

    @property
    def _configuration(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _output(self) -> Path:
        return self.folder / "kafka.out"

    def _java(self, *more: str) -> list[str | Path]:
        options = [f"-Dmillrace.log={self.log}", f"-Dlog4j2.configurationFile={LOGGING}"]
        return [java(), *MEMORY, *more, *options, "-cp", f"{jars()}/*"]

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        listeners = f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self._controller_port}"
        ours = {
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "log.dirs": str(self._data),
        }
        lines = [f"{name}={value}" for name, value in ours.items()]
        self._configuration.write_text("\n".join([PROPERTIES.read_text(), *lines, ""]))
        if not (self._data / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One word: an id that begins with a dash would be taken for an option.
        options = ["format", f"--cluster-id={cluster}", "--config", self._configuration]
        tool = [*self._java(QUICK), "kafka.tools.StorageTool", *options]
        done = subprocess.run(
            [str(part) for part in tool], capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        if done.returncode != 0:
            raise DependencyError(
                f"Kafka could not format {self._data}: {(done.stdout + done.stderr).strip()}"
            )

    def _answers(self) -> bool:
        if not is_open(self.port):
            return False
        client = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "health", "log_level": 0})
        try:
            # The first look for a group makes the topic of offsets: better now than at a service's start.
            client.committed([TopicPartition("health", 0)], timeout=ANSWER_SECONDS)
        except KafkaException:
            return False
        finally:
            client.close()
        return True
