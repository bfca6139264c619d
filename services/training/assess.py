"""A fitted model brought before the gates: what they look at is put together here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import polars as pl

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


def verdicts(
    fit: Fit, examples: Examples, champion: Model | None, settings: Settings, features: FeatureSet
) -> list[Verdict]:
    """Return what the gates say: of the recipe by its trial, of the package by itself.

    The champion is compared where it did not learn from the days of the trial.
    """
    content = fit.model.fitted.predictor.to_bytes()
    package = pack(fit.manifest, content)
    loaded = _loaded(package, fit.manifest, settings, features)
    test = fit.tried.test
    rival = champion if champion and champion.manifest.created_at < fit.tried.windows.test_start else None
    again = newest(examples, fit.recipe).fitted.predictor.to_bytes()
    case = Case(
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
    return judge(case, Policy.load(), GatesPolicy.load())


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


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
