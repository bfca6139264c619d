"""Model versions as the models topic tells of them, and changes of their status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.training.publish import announce, restated
from shared.features import FeatureSet
from shared.models import (
    Model,
    ModelFeed,
    ModelRecord,
    ModelRefused,
    Refusal,
    acting,
    fetch,
    load,
    newest,
    ranked,
    trusted_keys,
)
from shared.settings import Settings


@dataclass(frozen=True)
class Versions:
    """The newest record of each version, versions whose record is older first."""

    settings: Settings
    standing: Mapping[str, ModelRecord]

    @classmethod
    def read(cls, settings: Settings) -> Versions:
        """Return the versions that the topic holds now.

        Raises
        ------
        DependencyError
            If the broker or the topic is not there.
        """
        feed = ModelFeed(settings)
        try:
            return cls(settings, newest(feed.catch_up()))
        finally:
            feed.close()

    def record(self, version: str) -> ModelRecord:
        """Return the record of a version.

        Raises
        ------
        ModelRefused
            If there is none.
        """
        if version not in self.standing:
            raise ModelRefused(
                Refusal.ABSENT, f"there is no model version {version}; see `millrace models list`"
            )
        return self.standing[version]

    def acting(self) -> tuple[ModelRecord | None, ModelRecord | None]:
        """Return champion and challenger."""
        return acting(self.standing.values())

    def load(self, version: str, definitions: FeatureSet) -> Model:
        """Return a version's model, verified as the services verify it; raises ModelRefused."""
        record = self.record(version)
        return load(fetch(record, self.settings), record, trusted_keys(self.settings), definitions)

    def promote(self, version: str, definitions: FeatureSet, reason: str = "promoted") -> ModelRecord:
        """Make a version the champion, once its package was verified; raises ModelRefused."""
        self.load(version, definitions)
        record = restated(self.record(version), "champion", reason, self._now())
        announce([record], self.settings)
        return record

    def roll_back(self, definitions: FeatureSet) -> tuple[ModelRecord, ModelRecord]:
        """Make the champion before this one act again and retire this one; return both.

        Raises
        ------
        ModelRefused
            If there was none before, or its package does not hold any more.
        """
        champions = ranked(self.standing.values(), "champion")
        if len(champions) < 2:
            raise ModelRefused(Refusal.ABSENT, "there is no champion before this one to roll back to")
        current, earlier = champions[0], champions[1]
        self.load(earlier.version, definitions)
        records = [
            restated(earlier, "champion", f"rolled back from {current.version}", self._now()),
            restated(current, "retired", f"rolled back to {earlier.version}", self._now()),
        ]
        announce(records, self.settings)  # in this order: a champion acts at every moment
        return records[0], records[1]

    def _now(self) -> int:
        return max(
            record.event_time for record in self.standing.values()
        )  # event time as far as models know it
