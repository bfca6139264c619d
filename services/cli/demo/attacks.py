"""What must not happen: poisoned labels, a bad candidate, a package that was touched, a worse champion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from services.cli.demo.loop import Loop
from services.replay.delayed import DelayedLabel
from services.training.__main__ import folder
from services.training.assess import Fit, champion_of, judged
from services.training.dataset import Dataset
from services.training.examples import Examples
from services.training.publish import manifest_of, moved, publication
from services.training.recipe import READ_DAYS, Recipe
from services.training.reports import FLOOD
from services.training.rollout import publication_numbers
from services.training.split import DAY
from services.training.train import newest, trial
from services.training.versions import Versions
from shared.features import definitions
from shared.models import Move, Refusal, verified
from shared.models.keys import trusted_keys
from shared.models.topic import fetch

WHO = "demo"
FLOODED, FLOOD_ORIGIN = 150, "customer"
LEAKING = "terminal_risk_1d"
STOPPED_DAYS = 2  # until a midnight has come to training, and a label of the flood counts
LONGEST_DAYS = 25  # labels of a day count 9 days later


@dataclass(frozen=True)
class Attacks:
    """Versions: the candidate that holds a label, the touched package, the worse and the right champion."""

    leaking: str
    touched: str
    worse: str
    champion: str


def attacked(loop: Loop, old: str) -> Attacks:
    """Do what must not succeed, then make the old model champion again by hand, until it is taken back."""
    champion = loop.champion
    loop.add(flood(loop))
    attacks = Attacks(publish_leaking(loop), publish_touched(loop), old, champion)
    loop.play("poisoned labels, a bad candidate, a touched package", STOPPED_DAYS)
    versions = Versions(loop.chronicle.settings, loop.chronicle.log)
    versions.promote(old, definitions(), "it did well once")
    loop.play("the old model acts again", LONGEST_DAYS, lambda: loop.champion != old)
    return attacks


def told(loop: Loop, attacks: Attacks, scored: pl.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """Return what came of the attacks, and a sentence for each that succeeded."""
    stands, alarms = loop.standing, loop.chronicle.alarms
    floods = [each for each in alarms if each.signal == FLOOD and FLOOD_ORIGIN in each.detail]
    refused = [each for each in alarms if each.model_version == attacks.touched]
    bad = [attacks.leaking, attacks.touched]
    by_bad = scored.filter(
        pl.col("model_version").is_in(bad) | pl.col("challenger_version").is_in(bad)
    ).height
    result = {
        "poisoned_labels": FLOODED,
        "floods_told": len(floods),
        "refusals_told": len(refused),
        "payments_by_bad": by_bad,
        **{name: f"{version} {stands.status(version)}" for name, version in asdict(attacks).items()},
    }
    amiss = [] if floods else [f"{FLOODED} poisoned labels of one day were not told of as a flood"]
    if stands.status(attacks.leaking) != "rejected":
        amiss.append(f"{attacks.leaking}, into which a label leaked, is {stands.status(attacks.leaking)}")
    if not any(each.detail.startswith(Refusal.ALTERED.value) for each in refused):
        amiss.append(f"scoring did not refuse {attacks.touched}, which was touched")
    if stands.status(attacks.touched) != "rolled_back":
        amiss.append(f"{attacks.touched}, which was touched, is {stands.status(attacks.touched)}")
    if by_bad:
        amiss.append(f"{by_bad} payments were scored by {bad}")
    if stands.status(attacks.worse) != "rolled_back" or loop.champion != attacks.champion:
        amiss.append(
            f"{attacks.worse}, which is worse, is {stands.status(attacks.worse)}; {loop.champion} acts"
        )
    return result, amiss


def flood(loop: Loop) -> list[DelayedLabel]:
    """Return labels of one day and origin that call genuine payments of the day before yesterday frauds."""
    genuine = loop.simulation.day(loop.day - 2).filter(label="genuine")["transaction_id"].to_list()
    time = loop.midnight(loop.day) + DAY // 4
    return [DelayedLabel(time, name, "fraud", FLOOD_ORIGIN) for name in genuine[:FLOODED]]


def publish_leaking(loop: Loop) -> str:
    """Publish a candidate one of whose features holds the label, with its verdicts; return its version."""
    settings, features, recipe = loop.chronicle.settings, definitions(), Recipe()
    as_of = loop.midnight(loop.day - 2)
    examples = Dataset.read(folder(settings)).examples(as_of - READ_DAYS * DAY, as_of, known_by=as_of)
    leaking = _leaking(examples, features.names.index(LEAKING))
    tried, trained = trial(leaking, recipe), newest(leaking, recipe)
    manifest = manifest_of(trained, recipe, tried.metrics, features, as_of)
    acting = loop.standing.champion
    champion = champion_of(acting.published, settings, features) if acting else None
    found = judged(Fit(manifest, trained, tried, recipe), leaking, champion, settings, features)
    for each in found.verdicts:
        if each.outcome == "fail":
            loop.chronicle.view.say(f"  gate {each.gate} fails a candidate: {each.sentence}")
    content = trained.fitted.predictor.to_bytes()
    record = msgspec.structs.replace(
        publication(manifest, content, settings, found.parts),
        event_time=as_of,
        who=WHO,
        reason="a label leaked into it",
        numbers=publication_numbers(found.verdicts, is_urgent=False),
    )
    loop.chronicle.log.append(lambda stands: record)
    return record.version


def publish_touched(loop: Loop) -> str:
    """Publish the champion under another name, change a bit of that in the store, and make it champion."""
    settings, acting = loop.chronicle.settings, loop.standing.champion
    if acting is None:
        return ""
    package = fetch(acting.published, settings)
    manifest, content = verified(package, acting.published, trusted_keys(settings))
    named = msgspec.structs.replace(manifest, version=f"{manifest.version}-touched")
    record = publication(named, content, settings)
    record = msgspec.structs.replace(record, event_time=acting.since, who=WHO, reason="to be touched")
    file = Path(settings.model_url) / record.package
    touched = bytearray(file.read_bytes())
    touched[len(touched) // 2] ^= 1
    file.write_bytes(touched)
    log, move = loop.chronicle.log, Move(record.version, "champion", "forced by hand")
    log.append(lambda stands: record)
    log.append(lambda stands: moved(stands, move, WHO))
    return record.version


def _leaking(examples: Examples, column: int) -> Examples:
    features = examples.features.copy()
    features[:, column] = examples.is_fraud.astype(np.float32)
    return Examples(examples.rows, features)
