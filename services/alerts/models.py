"""Models by the version that a score states."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.models import Model, ModelFeed, ModelRecord, VersionStanding, standing
from shared.models.acting import ModelStore, OnRefused
from shared.models.loading import Definitions
from shared.settings import Settings


class VersionedModels:
    """Any version of the models topic.

    A version was in the topic before a score could state it. So when one is met that was not read yet,
    the topic is read to its end once: what is then not there was never there, and no waiting helps.
    """

    def __init__(self, read: Callable[[], list[ModelRecord]], store: ModelStore) -> None:
        self._read = read
        self._store = store
        self._versions: Mapping[str, VersionStanding] = {}
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
        self._versions = standing(self._read()).versions

    def model(self, version: str) -> Model | None:
        """Return a version's model; None when the topic has none such, or its package is refused."""
        if version not in self._versions and version not in self._unknown:
            self.start()
        found = self._versions.get(version)
        if found is None:
            self._unknown.add(version)
            return None
        return self._store.model(found.published)


def _read(settings: Settings) -> list[ModelRecord]:
    feed = ModelFeed(settings)
    try:
        return feed.catch_up()
    finally:
        feed.close()
