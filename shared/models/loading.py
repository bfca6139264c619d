"""Loading: the bytes that were verified are the bytes that are loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Literal, Protocol, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from treelite.core import TreeliteError

from shared.models.keys import TrustedKeys, check_signature
from shared.models.manifest import Manifest
from shared.models.package import MAX_PACKAGE_BYTES, unpack
from shared.models.predictors import Blend, Features, Linear, Predictor, River, Scores, Trees, corrected
from shared.models.records import ModelRecord
from shared.models.refusal import ModelRefused, Refusal

RIVER = "river"
Part = TypeVar("Part", Trees, Linear)


class Definitions(Protocol):
    """What a model must agree on with features.toml."""

    @property
    def version(self) -> int:
        """Number of the definitions."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Names of the features, in the order of the matrix."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """A verified model that predicts."""

    manifest: Manifest
    predictor: Predictor
    medians: npt.NDArray[np.float32]
    """Typical value of each feature, shape (k,); NaN where it is mostly undefined."""

    @property
    def version(self) -> str:
        """Version of the model."""
        return self.manifest.version

    @property
    def names(self) -> Sequence[str]:
        """Names of the features, in the order of the matrix."""
        return self.manifest.features

    def predict(self, matrix: Features) -> Scores:
        """Return the probability of fraud of each row, shape (n,).

        The bits of a row's score do not depend on the other rows.

        Parameters
        ----------
        matrix
            Features, shape (n, k); NaN where undefined.
        """
        if len(matrix) == 0:
            return np.empty(0, np.float64)
        return corrected(self.predictor(matrix), self.manifest.genuine_rate)


def verified(package: bytes, record: ModelRecord, trusted: TrustedKeys) -> tuple[Manifest, bytes]:
    """Return manifest and model bytes of a package that is the one its record tells of.

    Nothing is parsed before size, digest and signature hold.

    Raises
    ------
    ModelRefused
        If they do not, or the package cannot be read.
    """
    if len(package) > MAX_PACKAGE_BYTES:
        raise ModelRefused(Refusal.MALFORMED, f"the package is larger than {MAX_PACKAGE_BYTES} bytes")
    if record.signature and hashlib.sha256(package).hexdigest() != record.sha256:
        raise ModelRefused(
            Refusal.ALTERED, f"the package of {record.version} is not the one that was published"
        )
    check_signature(package, record.signature, record.signer, trusted)
    manifest, model = unpack(package)
    if manifest.version != record.version:
        raise ModelRefused(
            Refusal.ALTERED, f"the package is of version {manifest.version}, not {record.version}"
        )
    return manifest, model


def load(package: bytes, record: ModelRecord, trusted: TrustedKeys, definitions: Definitions) -> Model:
    """Return the model of a package, verified against its record and the feature definitions.

    Raises
    ------
    ModelRefused
        With a reason code, if anything does not hold.
    """
    manifest, content = verified(package, record, trusted)
    _check_features(manifest, definitions)
    medians = np.array([np.nan if each is None else each for each in manifest.medians], np.float32)
    predictor = predictor_of(manifest, content)
    _check_score(predictor, len(manifest.features))
    return Model(manifest, predictor, medians)


def _check_features(manifest: Manifest, definitions: Definitions) -> None:
    if manifest.features_version != definitions.version or list(definitions.names) != manifest.features:
        raise ModelRefused(
            Refusal.SCHEMA_MISMATCH,
            f"model {manifest.version} was trained on features version {manifest.features_version}, "
            f"version {definitions.version} is served; train again",
        )
    if len(manifest.medians) != len(manifest.features) or not 0 < manifest.genuine_rate <= 1:
        raise ModelRefused(
            Refusal.MALFORMED, "the manifest needs a median a feature and a genuine rate in (0, 1]"
        )


def predictor_of(manifest: Manifest, content: bytes) -> Predictor:
    """Return the predictor of verified model bytes; raises ModelRefused where they are none."""
    try:
        match manifest.kind:
            case "trees":
                return _checked(manifest, _trees(manifest, content))
            case "linear":
                return _checked(manifest, Linear.from_bytes(content))
            case "blend":
                return _blend(manifest, content)
            case "river":
                return _river(manifest, content)
    except ModelRefused:
        raise
    except Exception as error:  # an archive or a pickle may raise anything; the model before goes on
        raise ModelRefused(
            Refusal.MALFORMED, f"the {manifest.kind} model cannot be read: {error!r}"
        ) from error


def _trees(manifest: Manifest, content: bytes) -> Trees:
    try:
        return Trees.from_bytes(content)
    except TreeliteError as error:
        made, here = manifest.libraries.get("treelite", "unknown"), installed("treelite")
        raise ModelRefused(
            Refusal.LIBRARY_MISMATCH if made != here else Refusal.MALFORMED,
            f"the trees were written by treelite {made} and cannot be read by {here}",
        ) from error


def _blend(manifest: Manifest, content: bytes) -> Blend:
    parts = msgspec.msgpack.decode(content, type=list[tuple[Literal["trees", "linear"], bytes]])
    if not parts:
        raise ModelRefused(Refusal.MALFORMED, "the blend has no parts")
    return Blend(
        [
            _checked(manifest, _trees(manifest, each))
            if kind == "trees"
            else _checked(manifest, Linear.from_bytes(each))
            for kind, each in parts
        ]
    )


def _river(manifest: Manifest, content: bytes) -> River:
    made, here = manifest.libraries.get(RIVER, "unknown"), installed(RIVER)
    if made != here:  # a pickle is only readable by the version that wrote it
        raise ModelRefused(Refusal.LIBRARY_MISMATCH, f"the model needs river {made}, here is {here}")
    return River.from_bytes(content, manifest.features)


def _check_score(predictor: Predictor, width: int) -> None:
    try:
        score = predictor(np.zeros((1, width), np.float32))
    except Exception as error:  # whatever it is, it would stop the stream at the first payment
        raise ModelRefused(Refusal.MALFORMED, f"the model cannot score a row: {error!r}") from error
    if score.shape != (1,) or not 0 <= score[0] <= 1:
        raise ModelRefused(
            Refusal.MALFORMED, f"the model scores a row of zeros {score.tolist()}, not with a probability"
        )


def _checked(manifest: Manifest, predictor: Part) -> Part:
    if predictor.width != len(manifest.features):
        raise ModelRefused(
            Refusal.MALFORMED,
            f"the model takes {predictor.width} features, the manifest names {len(manifest.features)}",
        )
    return predictor
