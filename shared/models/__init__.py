"""Model packages: build, sign, verify, load, predict; and which versions act."""

from shared.models.acting import Acting, ActingModels
from shared.models.appending import NotAllowed
from shared.models.keys import fingerprint, sign, signing_key, trusted_keys
from shared.models.lifecycle import Move, Standing, VersionStanding, events, is_allowed, standing
from shared.models.loading import Definitions, Model, load, verified
from shared.models.log import ModelLog
from shared.models.manifest import Kind, Manifest
from shared.models.package import MAX_PACKAGE_BYTES, listing, pack, unpack, unpack_parts
from shared.models.predictors import Blend, Linear, Predictor, River, Trees
from shared.models.records import ModelRecord, Status
from shared.models.refusal import ModelRefused, Refusal
from shared.models.topic import ModelFeed, fetch

__all__ = [
    "MAX_PACKAGE_BYTES",
    "Acting",
    "ActingModels",
    "Blend",
    "Definitions",
    "Kind",
    "Linear",
    "Manifest",
    "Model",
    "ModelFeed",
    "ModelLog",
    "ModelRecord",
    "ModelRefused",
    "Move",
    "NotAllowed",
    "Predictor",
    "Refusal",
    "River",
    "Standing",
    "Status",
    "Trees",
    "VersionStanding",
    "events",
    "fetch",
    "fingerprint",
    "is_allowed",
    "listing",
    "load",
    "pack",
    "sign",
    "signing_key",
    "standing",
    "trusted_keys",
    "unpack",
    "unpack_parts",
    "verified",
]
