"""Model packages, and parts of them: loaded, or refused by ModelRefused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from shared import wire
from shared.models import Manifest, ModelRecord, ModelRefused, load, pack, unpack
from tests.fuzz.target import Target, check
from tests.unit.model_packages import NAMES, TRUSTED, Definitions, content, manifest, package, record


def read(data: bytes) -> None:
    """Load a package, or part of one, of the kind that the first byte says."""
    try:
        _LOADERS.get(data[:1], _unsigned)(data[1:])
    except ModelRefused as refused:
        check(bool(str(refused)), "refused without a sentence")


def seeds() -> Iterator[bytes]:
    """Yield packages, manifests, models and records of them, each after the number of its kind."""
    yield from (b"\0" + _MADE, b"\1" + _MADE, b"\3" + content("linear"), b"\4" + _RECORD.to_bytes())
    yield from (b"\2" + manifest(kind).to_bytes() for kind in ("linear", "trees", "river"))


def _unsigned(data: bytes) -> None:
    load(data, _RECORD, TRUSTED, Definitions())
    check(data == _MADE, "other bytes than the signed ones were loaded")


def _archive(data: bytes) -> None:
    unpack(data)


def _signed_manifest(data: bytes) -> None:
    _load_signed(pack(cast(Manifest, _Written(data)), content("linear")))


def _signed_model(data: bytes) -> None:
    _load_signed(pack(manifest("linear"), data))


def _load_signed(made: bytes) -> None:
    model = load(made, record(made), TRUSTED, Definitions())
    scores = model.predict(np.zeros((2, len(NAMES)), np.float32))
    check(scores.shape == (2,) and bool(((scores >= 0) & (scores <= 1)).all()), "not probabilities")


def _record(data: bytes) -> None:
    try:
        ModelRecord.from_bytes(data)
    except wire.WireError:
        return


class _Written:
    """A manifest that is written as any bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def to_bytes(self) -> bytes:
        return self._content


_MADE = package("linear")
_RECORD = record(_MADE)
_LOADERS: dict[bytes, Any] = {
    b"\1": _archive,
    b"\2": _signed_manifest,
    b"\3": _signed_model,
    b"\4": _record,
}
TARGETS = {"packages": Target(lambda folder: read, seeds)}
