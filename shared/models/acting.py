"""The models that act: swapped as one pair, from the models topic, by a thread of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from shared.models.keys import trusted_keys
from shared.models.lifecycle import Standing, standing
from shared.models.loading import Definitions, Model, load
from shared.models.records import ModelRecord
from shared.models.refusal import ModelRefused, Refusal
from shared.models.topic import ModelFeed, fetch
from shared.settings import Settings

KEPT_MODELS = 8
POLL_SECONDS = 0.5


class Acting(NamedTuple):
    """Models that score the same payments."""

    champion: Model | None = None
    challenger: Model | None = None
    """Scores beside the champion."""
    is_canary: bool = False
    """Whether the challenger acts for a share of the customers."""


OnRefused = Callable[[ModelRecord, ModelRefused], None]


class ModelStore:
    """Loads packages; keeps the last few models, and in mind what it refused.

    ``on_refused`` is called once for each package.
    """

    def __init__(self, settings: Settings, definitions: Definitions, on_refused: OnRefused) -> None:
        self._settings = settings
        self._definitions = definitions
        self._on_refused = on_refused
        self._kept: OrderedDict[tuple[str, bytes], Model] = OrderedDict()
        self._refused: dict[tuple[str, bytes], Refusal] = {}
        self._lock = threading.RLock()

    def model(self, record: ModelRecord) -> Model | None:
        """Return the model of a record; None when its package is refused."""
        name = record.version, record.signature
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            if self._refused.get(name, Refusal.ABSENT) is not Refusal.ABSENT:
                return None
            return self._load(name, record)

    @property
    def has_absent(self) -> bool:
        """Whether a package could not be fetched yet."""
        return Refusal.ABSENT in self._refused.values()

    def _load(self, name: tuple[str, bytes], record: ModelRecord) -> Model | None:
        try:
            keys = trusted_keys(self._settings)
            model = load(fetch(record, self._settings), record, keys, self._definitions)
        except ModelRefused as refused:
            if self._refused.get(name) is not refused.reason:
                self._refused[name] = refused.reason
                self._on_refused(record, refused)
            return None
        self._refused.pop(name, None)
        self._kept[name] = model
        if len(self._kept) > KEPT_MODELS:
            self._kept.popitem(last=False)
        return model


class ActingModels:
    """Champion and challenger as the models topic says; a refused one leaves the one before it acting."""

    def __init__(self, settings: Settings, definitions: Definitions, on_refused: OnRefused) -> None:
        self._settings = settings
        self._store = ModelStore(settings, definitions, on_refused)
        self._standing = Standing()
        self._current = Acting()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read the topic to its end and load; then follow it in a thread.

        Raises
        ------
        DependencyError
            If the broker or the topic is not there.
        """
        feed = ModelFeed(self._settings)
        self.take(feed.catch_up())
        self._thread = threading.Thread(target=self._follow, args=(feed,), name="models", daemon=True)
        self._thread.start()

    def current(self) -> Acting:
        """Return what acts; ask once a batch, so that a batch has one pair.

        Raises
        ------
        RuntimeError
            If the thread that follows the topic has ended.
        """
        if self._failure is not None:
            raise RuntimeError("the models topic is no longer followed") from self._failure
        return self._current

    def take(self, records: Iterable[ModelRecord]) -> None:
        """Take records in the order of the topic and load what acts after them."""
        self._standing = standing(records, self._standing)
        champion = self._champion()
        challenger = self._challenger(champion)
        is_canary = challenger is not None and self._standing.status(challenger.version) == "canary"
        self._current = Acting(champion, challenger, is_canary)

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _champion(self) -> Model | None:
        line = [self._standing.versions[version] for version in reversed(self._standing.line)]
        models = (self._store.model(each.published) for each in line)
        return next((model for model in models if model is not None), None)

    def _challenger(self, champion: Model | None) -> Model | None:
        found = self._standing.challenger
        if found is None or (champion is not None and champion.version == found.version):
            return None
        return self._store.model(found.published)

    def _follow(self, feed: ModelFeed) -> None:
        try:
            while not self._stopped.is_set():
                records = feed.poll(POLL_SECONDS)
                if records or self._store.has_absent:
                    self.take(records)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            feed.close()
