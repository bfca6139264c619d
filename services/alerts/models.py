"""Models by the version that a score states."""

from __future__ import annotations

from collections.abc import Callable

from shared.models import Model, ModelFeed, ModelRecord
from shared.models.acting import ModelStore, OnRefused
from shared.models.loading import Definitions
from shared.models.records import newest
from shared.settings import Settings


class VersionedModels:
    """Any version of the models topic.

    A version was in the topic before a score could state it. So when one is met that was not read yet,
    the topic is read to its end once: what is then not there was never there, and no waiting helps.
    """

    def __init__(self, read: Callable[[], list[ModelRecord]], store: ModelStore) -> None:
        self._read = read
        self._store = store
        self._records: dict[str, ModelRecord] = {}
        self._unknown: set[str] = set()

    @classmethod
    def of(cls, settings: Settings, definitions: Definitions, on_refused: OnRefused) -> VersionedModels:
        """Return the models of the topic on Kafka."""
        return cls(lambda: _read(settings), ModelStore(settings, definitions, on_refused))

    def start(self) -> None:
        """Read the topic to its end.

        Raises
        ------
        DependencyError
            If the broker or the topic is not there.
        """
        self._records = newest(self._read())

    def model(self, version: str) -> Model | None:
        """Return a version's model; None when the topic has none such, or its package is refused."""
        if version not in self._records and version not in self._unknown:
            self.start()
        record = self._records.get(version)
        if record is None:
            self._unknown.add(version)
            return None
        return self._store.model(record)


def _read(settings: Settings) -> list[ModelRecord]:
    feed = ModelFeed(settings)
    try:
        return feed.catch_up()
    finally:
        feed.close()
