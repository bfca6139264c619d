"""Model packages, and parts of them: loaded, or refused by ModelRefused."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from shared import wire
from shared.models import Kind, Manifest, ModelRecord, ModelRefused, load, pack, unpack
from tests.fuzz.target import ANYTHING, Execution, Target, check, structured
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
    _load(made, record(made))


def _load(made: bytes, of: ModelRecord) -> None:
    model = load(made, of, TRUSTED, Definitions())
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
_KINDS: tuple[Kind, ...] = ("linear", "trees", "river")
_FOREIGN = Ed25519PrivateKey.from_private_bytes(bytes(32))
_SEALS: dict[str, dict[str, Any]] = {
    "ours": {},
    "none": {"signature": b"", "signer": ""},
    "foreign": {"key": _FOREIGN},
    "of other bytes": {"signature": _RECORD.signature},
    "other digest": {"sha256": _RECORD.sha256},
}
_PARTS = st.sampled_from(["report.json", "card.html", "model.bin", "../model.bin", "a/b.txt", ""])
_SIZE = st.integers(0, 1 << 12) | st.just((1 << 32) - 1)
_CENTRAL, _SIZES_AT = b"PK\1\2", 20
"""Where the directory of a zip begins, and where in an entry of it the two sizes stand."""


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Zips that are nearly packages.

    A model is whole or cut, never made up: a river model is a pickle, and runs what it says.
    """
    kind = draw(st.sampled_from(_KINDS))
    whole = content(kind)
    model = whole[: draw(st.just(len(whole)) | st.integers(0, len(whole)))]
    parts = draw(st.lists(st.tuples(_PARTS, st.binary(max_size=20)), max_size=2))
    said = json.loads(manifest(kind).to_bytes())
    said["parts"] = {name: hashlib.sha256(part).hexdigest() for name, part in parts}
    for name in draw(st.lists(st.sampled_from([*said, "more"]), max_size=2)):
        said[name] = draw(ANYTHING)
    members = [("manifest.json", json.dumps(said).encode()), ("model.bin", model), *parts]
    match draw(st.sampled_from(["none", "none", "one less", "compressed", "resized"])):
        case "one less":
            members.pop(draw(st.integers(0, len(members) - 1)))
        case "compressed":
            return _zipped(members, zipfile.ZIP_DEFLATED)
        case "resized":
            return _resized(_zipped(members), draw(_SIZE), draw(_SIZE))
    return _zipped(members)


def _zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as archive:
        warnings.simplefilter("ignore")  # of two members with one name
        for name, part in members:
            archive.writestr(zipfile.ZipInfo(name), part, method)
    return made.getvalue()


def _resized(made: bytes, stored: int, whole: int) -> bytes:
    at = made.find(_CENTRAL) + _SIZES_AT
    return made[:at] + struct.pack("<II", stored, whole) + made[at + 8 :]


def _take(found: tuple[bytes, str]) -> None:
    made, seal = found
    of = record(made, **_SEALS[seal])
    try:
        _load(made, of)
    except ModelRefused as refused:
        check(bool(str(refused)), "refused without a sentence")
        return
    check(seal == "ours" or made == _MADE, "loaded without our signature over it")


def _structured(folder: Path) -> Execution:
    return structured(st.tuples(archives(), st.sampled_from(list(_SEALS))), _take)


TARGETS = {"packages": Target(lambda folder: read, seeds), "packages-structured": Target(_structured)}
