"""Fraud changes: an alarm, a model that knows it, and what it gave beside the old one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from services.cli.demo.loop import Loop
from services.replay.simulator import Simulation
from services.training.metrics import average_precision
from shared import wire
from shared.settings import Settings
from shared.stream.clients import read_topic

LONGEST_DAYS = 55  # from a change of fraud to a champion that knows it
AFTER_DAYS = 8  # of which the first belongs to both: models move while it is scored
CHUNK = 20_000
MONITOR = "monitor"
PATH = ("published", "shadow", "canary", "champion")
SCORED = (
    "transaction_id",
    "score",
    "model_version",
    "challenger_score",
    "challenger_version",
)


@dataclass(frozen=True)
class Recovery:
    """The champion before the change, and the one after it; empty where none followed."""

    old: str
    new: str


def recovered(loop: Loop) -> Recovery:
    """Play until another champion acts, and a week more."""
    old = loop.champion
    if not loop.play("fraud has changed", LONGEST_DAYS, lambda: loop.champion != old):
        return Recovery(old, "")
    new = loop.champion
    loop.play("a new champion acts", AFTER_DAYS)
    return Recovery(old, new)


def told(loop: Loop, found: Recovery, changed: int, scored: pl.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """Return what came of the change of fraud on a day, and a sentence for each thing that did not."""
    alarms = [each for each in loop.chronicle.alarms if each.service == MONITOR]
    since = [each for each in alarms if each.event_time >= loop.midnight(changed)]
    result: dict[str, Any] = {
        "changed_on_day": changed,
        "alarms_before": len(alarms) - len(since),
        "alarm_days": None if not since else round(loop.chronicle.day(since[0].event_time) - changed, 1),
        "old": found.old,
        "new": found.new,
    }
    amiss = [] if since else ["no alarm came after fraud had changed"]
    if not found.new:
        return result, [*amiss, f"no new champion within {LONGEST_DAYS} days of the change of fraud"]
    amiss += list(_astray(loop, found.new))
    beside = compared(scored, loop.simulation, found)
    if beside["ap_new"] <= beside["ap_old"]:
        amiss.append(
            f"average precision {beside['ap_new']} is not above the {beside['ap_old']} of the old model"
        )
    return {**result, **beside}, amiss


def _astray(loop: Loop, version: str) -> Iterator[str]:
    path = tuple(each.status for each in loop.chronicle.events if each.version == version)[: len(PATH)]
    if path != PATH:
        yield f"{version} went another way: {', '.join(path)}"
    why = loop.standing.versions[version].published.reason
    if why != "alarm":
        yield f"{version} was made because of {why}, not of an alarm"


def compared(scored: pl.DataFrame, simulation: Simulation, found: Recovery) -> dict[str, Any]:
    """Return the average precision of both models on the payments that the new one decided, by the truth."""
    versions = pl.col("model_version"), pl.col("challenger_version")
    pairs = scored.filter(versions[0].eq_missing(found.new) & versions[1].eq_missing(found.old))
    truth = pl.concat(simulation.frames()).select("transaction_id", is_fraud=pl.col("label") == "fraud")
    known = pairs.join(truth, on="transaction_id")
    is_fraud = known["is_fraud"].to_numpy()

    def precision(column: str) -> float:
        return round(average_precision(is_fraud, np.nan_to_num(known[column].to_numpy())) or 0.0, 4)

    return {
        "payments_by_both": known.height,
        "frauds_by_both": int(is_fraud.sum()),
        "ap_new": precision("score"),
        "ap_old": precision("challenger_score"),
    }


def scored(settings: Settings) -> pl.DataFrame:
    """Return ids, scores and versions of all scored payments, each once."""
    values = [each.value() or b"" for each in read_topic(settings, "scores.v1")]
    frames = [wire.decode_columns(values[at : at + CHUNK], SCORED) for at in range(0, len(values), CHUNK)]
    return pl.concat(frames).unique("transaction_id", keep="first", maintain_order=True)
