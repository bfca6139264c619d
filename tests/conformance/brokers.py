"""The log in memory and a real Kafka behind the same four verbs, for the conformance suite."""

from __future__ import annotations

import itertools
from typing import Any

from confluent_kafka.cimpl import NewTopic

from shared.settings import Settings
from shared.stream import clients
from shared.stream.memory import MemoryLog

FIRM = {"message.timestamp.type": "LogAppendTime"}


class MemoryBroker:
    """The log in memory."""

    def __init__(self) -> None:
        self._log = MemoryLog({})

    def topic(self, partitions: int) -> str:
        return self._log.create(f"topic-{len(self._log.topics)}", partitions)

    def consumer(self, group: str, instance: int | None = None, on_commit: Any = None) -> Any:
        return self._log.consumer(group, None if instance is None else f"{group}-{instance}", on_commit)

    def producer(self) -> Any:
        return self._log.producer()

    def close(self) -> None:
        return


class KafkaBroker:
    """A real Kafka, by the clients that the services use."""

    _numbers = itertools.count()

    def __init__(self, bootstrap: str) -> None:
        hasty = {"topic.metadata.propagation.max.ms": "500", "log_level": "2"}
        self._settings = Settings(kafka={"bootstrap.servers": bootstrap})
        self._producing = Settings(kafka={"bootstrap.servers": bootstrap, **hasty})
        self._open: list[Any] = []
        self._prefix = f"conformance-{next(self._numbers)}-"

    def topic(self, partitions: int) -> str:
        name = f"{self._prefix}topic-{next(self._numbers)}"
        admin = clients.admin(self._settings)
        admin.create_topics([NewTopic(name, partitions, 1, config=FIRM)])[name].result(20)
        return name

    def consumer(self, group: str, instance: int | None = None, on_commit: Any = None) -> Any:
        overrides: dict[str, Any] = {"log_level": 2, **({"on_commit": on_commit} if on_commit else {})}
        settings = self._settings.model_copy(update={"instance": instance})
        if instance is None:
            overrides["group.instance.id"] = ""
        made = clients.consumer(settings, self._prefix + group, **overrides)
        self._open.append(made)
        return made

    def producer(self) -> Any:
        return clients.producer(self._producing)

    def close(self) -> None:
        for each in self._open:
            each.close()
