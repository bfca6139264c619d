"""A fitted model brought before the gates: what they look at is put together here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from services.training.card.facts import facts_of
from services.training.card.parts import parts_of
from services.training.examples import Examples
from services.training.gates.evidence import Attributes, Learned, Refitted, Trial
from services.training.gates.groups import CUSTOMER_ATTRIBUTES, groups_of
from services.training.gates.judge import Case, judge
from services.training.gates.measure import cost
from services.training.gates.verdict import Verdict
from services.training.recipe import Recipe
from services.training.rows import tokens
from services.training.train import Trained, Tried, newest
from shared import wire
from shared.features import FeatureSet
from shared.models import (
    Manifest,
    Model,
    ModelRecord,
    ModelRefused,
    fetch,
    load,
    pack,
    sign,
    signing_key,
    trusted_keys,
)
from shared.policy import GatesPolicy, Policy
from shared.settings import Settings
from shared.stream.clients import read_topic

CUSTOMERS = "customers.v1"


@dataclass(frozen=True, slots=True)
class Fit:
    """A model to be judged, with the trial of its recipe on earlier days."""

    manifest: Manifest
    model: Trained
    tried: Tried
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts, and what goes into the package beside the model; nothing where it does not load."""

    verdicts: list[Verdict]
    parts: dict[str, bytes]


def judged(
    fit: Fit, examples: Examples, champion: Model | None, settings: Settings, features: FeatureSet
) -> Judged:
    """Return what the gates say: of the recipe by its trial, of the package by itself.

    The champion is compared where it did not learn from the days of the trial.
    """
    case = _case(fit, examples, champion, settings, features)
    policy = Policy.load()
    verdicts = judge(case, policy, GatesPolicy.load())
    if isinstance(case.loaded, ModelRefused):
        return Judged(verdicts, {})
    facts = facts_of(_tried(fit), case.trial, case.groups, policy)
    return Judged(verdicts, parts_of(fit.manifest, fit.recipe, facts, verdicts, policy))


def _case(
    fit: Fit, examples: Examples, champion: Model | None, settings: Settings, features: FeatureSet
) -> Case:
    content = fit.model.fitted.predictor.to_bytes()
    package = pack(fit.manifest, content)
    loaded = _loaded(package, fit.manifest, settings, features)
    test = fit.tried.test
    rival = champion if champion and champion.manifest.created_at < fit.tried.windows.test_start else None
    again = newest(examples, fit.recipe).fitted.predictor.to_bytes()
    return Case(
        content=package,
        loaded=loaded,
        names=list(features.names),
        learned=Learned(fit.tried.train, fit.tried.windows.test_start),
        trial=Trial(
            test, fit.tried.model.predict(test.features), rival.predict(test.features) if rival else None
        ),
        groups=groups_of(test, attributes(settings), features.unit),
        cost=cost(loaded, package, test.features) if isinstance(loaded, Model) else None,
        refitted=Refitted(_digest(content), _digest(again)),
        seed=fit.recipe.seed,
    )


def attributes(settings: Settings) -> Attributes:
    """Return what is told of customers, by the tokens of the data set."""
    records = [wire.decode(each.value() or b"", CUSTOMERS) for each in read_topic(settings, CUSTOMERS)]
    columns = ("customer_id", *CUSTOMER_ATTRIBUTES)
    frame = pl.DataFrame(records, schema=dict.fromkeys(columns, pl.String))
    return frame.with_columns(tokens(frame["customer_id"], settings.secret("dataset")))


def champion_of(record: ModelRecord, settings: Settings, features: FeatureSet) -> Model | None:
    """Return the model of a publication; None where its package is refused now."""
    try:
        return load(fetch(record, settings), record, trusted_keys(settings), features)
    except ModelRefused:
        return None


def _loaded(
    package: bytes, manifest: Manifest, settings: Settings, features: FeatureSet
) -> Model | ModelRefused:
    signature, signer = sign(package, signing_key(settings))
    record = ModelRecord(
        version=manifest.version,
        status="published",
        event_time=manifest.created_at,
        who=manifest.author,
        reason="to be judged",
        sha256=_digest(package),
        signature=signature,
        signer=signer,
    )
    try:
        return load(package, record, trusted_keys(settings), features)
    except ModelRefused as refused:
        return refused


def _tried(fit: Fit) -> Model:
    """Return the model of the trial: what it hangs on is told of payments that it had not learned from."""
    tried = fit.tried.model
    manifest = msgspec.structs.replace(fit.manifest, genuine_rate=tried.genuine_rate)
    return Model(manifest, tried.fitted.predictor, tried.medians.astype(np.float32))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
