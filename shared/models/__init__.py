"""Model packages: build, sign, verify, load, predict; and which versions act."""

from shared.models.acting import ActingModels
from shared.models.keys import fingerprint, sign, signing_key, trusted_keys
from shared.models.loading import Definitions, Model, load, verified
from shared.models.manifest import Kind, Manifest
from shared.models.package import MAX_PACKAGE_BYTES, pack, unpack
from shared.models.predictors import Linear, Predictor, River, Trees
from shared.models.records import ModelRecord, Status, acting, newest, ranked
from shared.models.refusal import ModelRefused, Refusal
from shared.models.topic import ModelFeed, fetch

__all__ = [
    "MAX_PACKAGE_BYTES",
    "ActingModels",
    "Definitions",
    "Kind",
    "Linear",
    "Manifest",
    "Model",
    "ModelFeed",
    "ModelRecord",
    "ModelRefused",
    "Predictor",
    "Refusal",
    "River",
    "Status",
    "Trees",
    "acting",
    "fetch",
    "fingerprint",
    "load",
    "newest",
    "pack",
    "ranked",
    "sign",
    "signing_key",
    "trusted_keys",
    "unpack",
    "verified",
]
