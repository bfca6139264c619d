"""Model versions as the models topic tells of them, and moves that a person makes."""

from __future__ import annotations

from services.training.publish import author, moved
from shared.features import FeatureSet
from shared.models import (
    Model,
    ModelFeed,
    ModelLog,
    ModelRecord,
    ModelRefused,
    Move,
    NotAllowed,
    Refusal,
    Standing,
    VersionStanding,
    events,
    fetch,
    load,
    trusted_keys,
    verified,
)
from shared.settings import Settings


class Versions:
    """What stands in the models topic, and moves on it."""

    def __init__(self, settings: Settings, log: ModelLog) -> None:
        self.settings = settings
        self._log = log
        self.standing: Standing = log.standing()

    @classmethod
    def read(cls, settings: Settings) -> Versions:
        """Return the versions that the topic holds now.

        Raises
        ------
        DependencyError
            If the broker or the topic is not there.
        """
        return cls(settings, ModelLog(settings))

    def version(self, version: str) -> VersionStanding:
        """Return where a version stands.

        Raises
        ------
        ModelRefused
            If it was never published.
        """
        if version not in self.standing.versions:
            raise ModelRefused(
                Refusal.ABSENT, f"there is no model version {version}; see `millrace models list`"
            )
        return self.standing.versions[version]

    def load(self, version: str, definitions: FeatureSet) -> Model:
        """Return a version's model, verified as the services verify it; raises ModelRefused."""
        record = self.version(version).published
        return load(fetch(record, self.settings), record, trusted_keys(self.settings), definitions)

    def package(self, version: str) -> bytes:
        """Return a version's package, its signature verified; raises ModelRefused."""
        record = self.version(version).published
        package = fetch(record, self.settings)
        verified(package, record, trusted_keys(self.settings))
        return package

    def history(self) -> list[ModelRecord]:
        """Return all events in the life of the models, in their order."""
        feed = ModelFeed(self.settings)
        try:
            return events(feed.catch_up())
        finally:
            feed.close()

    def promote(self, version: str, definitions: FeatureSet, reason: str = "promoted by hand") -> None:
        """Make a version the champion, once its package was verified.

        Raises
        ------
        ModelRefused
            If the package does not hold, or the version's life has ended.
        """
        self.load(version, definitions)
        self._move(Move(version, "champion", reason))

    def roll_back(self, definitions: FeatureSet, reason: str = "rolled back by hand") -> tuple[str, str]:
        """Take the champion back; return the version that acts again and the one that went.

        Raises
        ------
        ModelRefused
            If there was none before, or its package does not hold any more.
        """
        current, earlier = self.standing.champion, self.standing.predecessor
        if current is None or earlier is None:
            raise ModelRefused(Refusal.ABSENT, "there is no champion before this one to roll back to")
        self.load(earlier.version, definitions)
        self._move(Move(current.version, "rolled_back", reason))
        return earlier.version, current.version

    def switch(self, is_frozen: bool, reason: str) -> None:
        """Stop all moves that are not made by hand, or let them go on."""
        self._move(Move("", "frozen" if is_frozen else "thawed", reason))

    def _move(self, move: Move) -> None:
        try:
            self._log.append(lambda stands: moved(stands, move, author()))
        except NotAllowed as error:
            raise ModelRefused(Refusal.NOT_ALLOWED, str(error)) from error
        self.standing = self._log.standing()
