"""The training histograms of models, from the manifests on the models topic."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

import msgspec
import numpy as np

from services.monitor.inputs import Histograms
from shared.models import Manifest, ModelRecord

log = logging.getLogger("monitor")


class Feed(Protocol):
    """Where model records come from."""

    def catch_up(self) -> Iterable[ModelRecord]:
        """Return the records since the last call, up to the end that there is now."""
        ...


class ModelReferences:
    """Histograms by model version; the topic is asked again when a version is not known.

    A model acts only after its record stands in the topic, so a version that is not found there now is
    one whose manifest cannot be read.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._known: dict[str, Histograms] = {}

    def histograms(self, version: str | None) -> Histograms | None:
        """Return the training histograms of a version; None where it is not known."""
        if version is None:
            return None
        if version not in self._known:
            self.take(self._feed.catch_up())
        return self._known.get(version)

    def take(self, records: Iterable[ModelRecord]) -> None:
        """Remember what the records' manifests say."""
        for record in records:
            if not record.manifest:
                continue  # a move of a version that is known
            try:
                manifest = msgspec.json.decode(record.manifest, type=Manifest)
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                log.warning("not a manifest", extra={"version": record.version, "detail": str(error)})
                continue
            counts = manifest.histograms.items()
            self._known[record.version] = {name: np.array(each, np.int64) for name, each in counts}
