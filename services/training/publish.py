"""Publishing: a trained model as a signed package below model_url, told of on the models topic."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed

import fsspec
import msgspec
import numpy as np
import numpy.typing as npt

from services.training.metrics import Metrics
from services.training.recipe import Recipe
from services.training.train import Trained
from shared.features import FeatureSet
from shared.models import (
    Manifest,
    ModelLog,
    ModelRecord,
    Move,
    Standing,
    Status,
    listing,
    pack,
    sign,
    signing_key,
)
from shared.models.records import TOPIC
from shared.settings import Settings
from shared.sketches import Layout
from shared.stream.clients import REACH_SECONDS, DependencyError, admin

LIBRARIES = ("numpy", "scikit-learn", "treelite", "river")
PACKAGE = "model.zip"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def manifest_of(
    trained: Trained, recipe: Recipe, tested: Metrics, definitions: FeatureSet, as_of: int | None = None
) -> Manifest:
    """Return the manifest of a trained model; the same content gets the same version."""
    unnamed = Manifest(
        version="",
        kind=trained.fitted.kind,
        family=recipe.family,
        created_at=trained.newest,
        as_of=as_of,
        features=list(definitions.names),
        features_version=definitions.version,
        medians=[None if np.isnan(each) else float(each) for each in trained.medians],
        histograms=histograms(trained.features, definitions),
        genuine_rate=trained.genuine_rate,
        rows=trained.rows,
        frauds=trained.frauds,
        training_set=trained.training_set,
        metrics=dict(tested),
        libraries={name: installed(name) for name in LIBRARIES},
        author=author(),
    )
    return msgspec.structs.replace(unnamed, version=_version(unnamed, trained))


def histograms(features: npt.NDArray[np.float32], definitions: FeatureSet) -> dict[str, list[int]]:
    """Return the counts of each feature's values, by its bins with the undefined ones last."""
    layout = Layout(definitions.bins)
    ends = np.cumsum(layout.sizes)[:-1]
    parts = np.split(layout.histograms(features), ends)
    return {name: part.tolist() for name, part in zip(layout.names, parts, strict=True)}


def publication(
    manifest: Manifest, model: bytes, settings: Settings, parts: Mapping[str, bytes] | None = None
) -> ModelRecord:
    """Put the signed package below ``model_url``; return the event that tells of it, not yet written.

    ``parts`` go into the package beside manifest and model.

    Raises
    ------
    DependencyError
        If the store cannot be written.
    """
    manifest = listing(manifest, parts or {})
    package = pack(manifest, model, parts)
    signature, signer = sign(package, signing_key(settings))
    path = f"{manifest.version}/{PACKAGE}"
    store(package, path, settings)
    return ModelRecord(
        version=manifest.version,
        status="published",
        event_time=manifest.created_at,
        who=manifest.author,
        reason="trained",
        package=path,
        sha256=hashlib.sha256(package).hexdigest(),
        signature=signature,
        signer=signer,
        manifest=manifest.to_bytes().decode(),
    )


def publish(
    manifest: Manifest,
    model: bytes,
    status: Status,
    settings: Settings,
    parts: Mapping[str, bytes] | None = None,
) -> ModelRecord:
    """Put the signed package below ``model_url`` and tell of it; return the event.

    A status beyond ``published`` is a second event. Publishing the same again is harmless.

    Raises
    ------
    DependencyError
        If the store or the broker cannot be reached.
    NotAllowed
        If the version was published before and cannot come to that status.
    """
    record = publication(manifest, model, settings, parts)
    log = ModelLog(settings)
    try:
        log.append(lambda stands: None if record.version in stands.versions else record)
        if status != "published":
            log.append(lambda stands: moved(stands, Move(record.version, status, "trained"), manifest.author))
    finally:
        log.close()
    return record


def moved(stands: Standing, move: Move, who: str) -> ModelRecord | None:
    """Return a move as an event at the time that models know of; None where it was made already."""
    if move.version:
        is_made = stands.status(move.version) == move.status
    else:
        is_made = stands.is_frozen is (move.status == "frozen")
    return None if is_made else move.record(who, stands.event_time)


def check_topic(settings: Settings) -> None:
    """Check that the models topic is there.

    Raises
    ------
    DependencyError
        If it is not, or no broker answers.
    """
    topic = settings.topic(TOPIC)
    if topic not in admin(settings).list_topics(timeout=REACH_SECONDS).topics:
        raise DependencyError(f"there is no topic {topic}; run `millrace topics apply`")


def store(package: bytes, path: str, settings: Settings) -> None:
    """Put a package below ``model_url``, whole or not at all.

    Raises
    ------
    DependencyError
        If it cannot be written.
    """
    files, root = fsspec.core.url_to_fs(settings.model_url)
    target = f"{root}/{path}"
    try:
        files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        files.pipe_file(f"{target}.part", package)
        files.mv(f"{target}.part", target)
    except OSError as error:
        raise DependencyError(f"model_url {settings.model_url} cannot be written: {error}") from error


def author() -> str:
    """Return the name of the person or account that runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _version(unnamed: Manifest, trained: Trained) -> str:
    content = unnamed.to_bytes() + trained.fitted.predictor.to_bytes()
    day = EPOCH + timedelta(microseconds=trained.newest)
    return f"{day:%Y-%m-%d}-{hashlib.sha256(content).hexdigest()[:8]}"
