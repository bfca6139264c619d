"""Versions to publish: sound models of several families, and corrupt ones of each kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from services.training.publish import publication
from services.training.recipe import Family
from shared.models import Manifest, Model, ModelRecord, Refusal
from shared.settings import Settings
from tests.faults.models import fitted_model

SOUND: tuple[Family, ...] = ("boosted", "forest", "logistic", "blend")
FLIPPED = 0.1  # of the labels: packages of some MiB, as fits to real payments have

Corrupt = Callable[[Manifest, bytes, Settings], ModelRecord]
"""Stores a package that may not act; returns the event that tells of it."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A version in the store, not yet told of."""

    record: ModelRecord
    model: Model
    """As it was fitted: it never went through a package."""
    refusal: Refusal | None = None
    """Why it may not act; None where it may."""

    @property
    def version(self) -> str:
        """The version."""
        return self.record.version


def altered(manifest: Manifest, model: bytes, settings: Settings) -> ModelRecord:
    """One bit changes after the package was signed."""
    record = publication(manifest, model, settings)
    file = Path(settings.model_url) / record.package
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    return record


def unsigned(manifest: Manifest, model: bytes, settings: Settings) -> ModelRecord:
    """The event carries no signature."""
    return msgspec.structs.replace(publication(manifest, model, settings), signature=b"", signer="")


def foreign(manifest: Manifest, model: bytes, settings: Settings) -> ModelRecord:
    """The key that signs is not one of the trusted."""
    others = settings.model_copy(update={"keys_folder": settings.state_folder / "foreign-keys"})
    return publication(manifest, model, others)


def mismatched(manifest: Manifest, model: bytes, settings: Settings) -> ModelRecord:
    """The model was made for other features."""
    other = msgspec.structs.replace(manifest, features_version=manifest.features_version + 1)
    return publication(other, model, settings)


def truncated(manifest: Manifest, model: bytes, settings: Settings) -> ModelRecord:
    """The model was cut in half before the package was signed: only reading it tells."""
    return publication(manifest, model[: len(model) // 2], settings)


CORRUPT: tuple[tuple[Corrupt, Refusal], ...] = (
    (altered, Refusal.ALTERED),
    (unsigned, Refusal.UNSIGNED),
    (foreign, Refusal.FOREIGN_KEY),
    (mismatched, Refusal.SCHEMA_MISMATCH),
    (truncated, Refusal.MALFORMED),
)


def publications(settings: Settings, count: int, seed: int) -> list[Publication]:
    """Return so many versions, a sound one first, then half of them corrupt, in random order."""
    sound, corrupt = [], []
    for number in range(count - count // 2):
        manifest, fitted = fitted_model(seed + number, SOUND[number % len(SOUND)], FLIPPED)
        content, medians = fitted.predictor.to_bytes(), np.array(manifest.medians, np.float32)
        model = Model(manifest, fitted.predictor, medians)
        sound.append(Publication(publication(manifest, content, settings), model))
        damage, reason = CORRUPT[number % len(CORRUPT)]
        named = msgspec.structs.replace(manifest, version=f"{manifest.version}-{damage.__name__}")
        corrupt.append(Publication(damage(named, content, settings), model, reason))
    first, *others = sound
    mixed = [*others, *corrupt[: count // 2]]
    random.Random(seed).shuffle(mixed)
    return [first, *mixed]
