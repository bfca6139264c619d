"""Models published under load, half of them corrupt: what scores say, and how long none comes.

Rounds without publishes alternate with rounds of several, in one stack. Each score is compared with what the
model of its version gives, as it was fitted, for the features of that payment. The last line of stdout is one
JSON object; the exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from deploy.local.stack import Stack
from services.cli.demo.story import await_quiet
from services.scoring.reports import REFUSED, SERVICE
from services.training.publish import moved
from shared import wire
from shared.models import Model, ModelLog, Move
from shared.settings import Settings
from shared.signals import Signal
from shared.stream.clients import read_topic
from tests.bench.arrivals import Arrivals
from tests.bench.bounds import Bound, conclude, most
from tests.bench.latency import WARM_UP_RATE, stack_of
from tests.bench.payments import Payments, Source
from tests.bench.sending import Sender
from tests.faults.publications import Publication, publications
from tests.waiting import elapse

PUBLISHES, TOGETHER = 20, 5
"""In all, and in one round."""
RATE = 1500.0
BETWEEN_SECONDS = 3.0
WARM_UPS, WARM_UP_SECONDS = 3, 6.0
LONGER_GAP_MS = 100.0
WHO = "faults"
BLOCKS = ("customer_features", "terminal_features")
ROLES = (("model_version", "score"), ("challenger_version", "challenger_score"))
COLUMNS = ("transaction_id", *(name for role in ROLES for name in role), *BLOCKS)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all rounds in the order of each partition, with the features they were made from."""

    table: pl.DataFrame
    features: npt.NDArray[np.float32]


@dataclass
class World:
    """A stack under load in rounds."""

    stack: Stack
    source: Source = field(default_factory=Source)
    quiet: list[list[bytes]] = field(default_factory=list)
    """Payments of each round without publishes."""
    busy: list[list[bytes]] = field(default_factory=list)
    """Payments of each round with publishes."""

    def __post_init__(self) -> None:
        self.settings, self.sender = self.stack.settings, Sender(self.stack.settings)
        self.log = ModelLog(self.settings)

    def warm_up(self, first: Publication) -> None:
        """Make the first model the champion, see that none moves by itself, and let all be compiled."""
        self.log.append(lambda stands: moved(stands, Move("", "frozen", "published by hand"), WHO))
        self.publish(first)
        for _ in range(WARM_UPS):
            self._send(self.source.take(int(WARM_UP_RATE * WARM_UP_SECONDS)), WARM_UP_RATE)

    def rounds(self, due: Sequence[Publication]) -> None:
        """Send payments for a while without publishes, and as long with these."""
        count = int(RATE * len(due) * BETWEEN_SECONDS)
        quiet, busy = self.source.take(count), self.source.take(count)
        self._send(quiet, RATE)
        with ThreadPoolExecutor(1) as beside:
            published = beside.submit(self._publish_all, due)
            self._send(busy, RATE)
            published.result()
        self.quiet.append(quiet.ids)
        self.busy.append(busy.ids)

    def publish(self, publication: Publication) -> None:
        """Tell of a version and make it the champion."""
        self.log.append(lambda stands: publication.record)
        move = Move(publication.version, "champion", "published by hand")
        self.log.append(lambda stands: moved(stands, move, WHO))

    def _publish_all(self, due: Sequence[Publication]) -> None:
        began = time.monotonic()
        for number, each in enumerate(due):
            elapse(max(0.0, began + (number + 0.5) * BETWEEN_SECONDS - time.monotonic()))
            self.publish(each)

    def _send(self, payments: Payments, rate: float) -> None:
        self.sender.at_rate(self.settings.topic("transactions.raw.v1"), payments, rate)
        await_quiet(self.settings)


def main() -> int:
    """Run the command; return the exit code."""
    arguments, began = _arguments(), time.monotonic()
    count = max(2, round(PUBLISHES * arguments.share))
    with tempfile.TemporaryDirectory() as folder, stack_of(Path(folder)) as stack:
        found, held = published(stack, count, arguments.seed)
    result = {"publishes": count, "payments_per_second": RATE, "seed": arguments.seed, **found}
    return conclude({**result, "seconds": round(time.monotonic() - began)}, held)


def published(stack: Stack, count: int, seed: int) -> tuple[dict[str, Any], list[Bound]]:
    """Publish a first model, then so many under load; return the outcome and what must hold in it."""
    world = World(stack)
    first, *others = publications(world.settings, 1 + count, seed)
    world.warm_up(first)
    arrivals = Arrivals(world.settings, world.settings.topic("scores.v1"))
    starts = arrivals.ends()
    arrivals.close()
    for number in range(0, count, TOGETHER):
        world.rounds(others[number : number + TOGETHER])
    scores = read(world.settings, starts)
    wrong = {
        **judged(scores, [name for each in (*world.quiet, *world.busy) for name in each], [first, *others]),
        **misreported(refusals(world.settings), others),
        "services that ended": sum(each.restarts for each in stack.supervisor.statuses()),
    }
    quiet, busy = (gaps(scores, each) for each in (world.quiet, world.busy))
    found = {
        "corrupt": {each.version: each.refusal for each in others if each.refusal},
        "scores_by_version": dict(scores.table["model_version"].value_counts().iter_rows()),
        "slowest_swap_ms": slowest_swap(world.settings, scores, others),
        "longest_gap_ms": {"without_publishes": quiet, "with_publishes": busy},
        "wrong": wrong,
    }
    held = [most(name, measured, 0) for name, measured in wrong.items()]
    longer = max(busy) - max(quiet)
    return found, [*held, most("longest gap above that without publishes, ms", longer, LONGER_GAP_MS)]


def read(settings: Settings, starts: Mapping[int, int]) -> Scores:
    """Return the scores from these offsets on."""
    messages = list(read_topic(settings, "scores.v1", dict(starts)))
    frame = wire.decode_columns([each.value() or b"" for each in messages], COLUMNS)
    features = np.hstack([wire.feature_matrix(frame, block) for block in BLOCKS])
    places = {
        "partition": [each.partition() for each in messages],
        "appended_ms": [each.timestamp()[1] for each in messages],
    }
    return Scores(frame.drop(BLOCKS).with_columns(pl.DataFrame(places)), features)


def judged(scores: Scores, sent: Sequence[bytes], published: Sequence[Publication]) -> dict[str, int]:
    """Return what is wrong in scores of payments that were sent, all zero where nothing is.

    ``published`` is in the order of the events.
    """
    table = scores.table
    named, ids = table["transaction_id"], {name.decode() for name in sent}
    sound = {each.version: each.model for each in published if each.refusal is None}
    turns = {version: number for number, version in enumerate(sound)}
    turn = table["model_version"].replace_strict(turns, default=None, return_dtype=pl.Int64)
    is_back = (turn.to_frame("turn").select(pl.col("turn").diff().over(table["partition"])) < 0).to_series()
    return {
        "payments that were not scored": len(ids - set(named)),
        "payments scored twice": len(named) - named.n_unique(),
        "payments without a model": (table["model_version"].is_null() | table["score"].is_null()).sum(),
        "scores by a version that may not act": sum(_unknown(table, role, sound) for role, _ in ROLES),
        "scores that are not their model's": sum(_mixed(scores, sound, role) for role in ROLES),
        "scores by a version after its successor's": is_back.sum(),
        "sound versions that never acted": len(sound.keys() - set(table["model_version"])),
    }


def _unknown(table: pl.DataFrame, role: str, sound: Mapping[str, Model]) -> int:
    return sum(version not in sound for version in table[role].drop_nulls())


def _mixed(scores: Scores, sound: Mapping[str, Model], role: tuple[str, str]) -> int:
    versions, given = (scores.table[name].to_numpy() for name in role)
    wrong = 0
    for version, model in sound.items():
        rows = np.flatnonzero(versions == version)
        wrong += int((model.predict(scores.features[rows]) != given[rows]).sum())
    return wrong


def refusals(settings: Settings) -> dict[str, list[str]]:
    """Return the reasons for which scoring refused each version, one for each event."""
    found: dict[str, list[str]] = {}
    for message in read_topic(settings, "monitoring.v1"):
        each = Signal.from_bytes(message.value() or b"")
        if (each.service, each.signal) == (SERVICE, REFUSED):
            found.setdefault(each.model_version or "", []).append(each.detail.partition(":")[0])
    return found


def misreported(found: Mapping[str, Sequence[str]], published: Sequence[Publication]) -> dict[str, int]:
    """Return how many versions were refused otherwise than once, for their reason, and only if corrupt."""
    due = {each.version: [each.refusal] for each in published if each.refusal}
    return {
        "corrupt versions without their event": sum(found.get(name) != each for name, each in due.items()),
        "sound versions refused": len(found.keys() - due.keys()),
    }


def gaps(scores: Scores, rounds: Sequence[Sequence[bytes]]) -> list[int]:
    """Return for each round the longest time between two scores, by the broker's clock."""
    found = []
    for ids in rounds:
        names = pl.Series([name.decode() for name in ids])
        times = scores.table.filter(pl.col("transaction_id").is_in(names.implode()))["appended_ms"]
        found.append(int(np.diff(np.sort(times.to_numpy())).max()))
    return found


def slowest_swap(settings: Settings, scores: Scores, published: Sequence[Publication]) -> int:
    """Return the longest time from the event that makes a version the champion to its first score."""
    told = {
        (message.key() or b"").decode(): message.timestamp()[1]
        for message in read_topic(settings, "models.v1")
    }
    first = scores.table.group_by("model_version").agg(pl.col("appended_ms").min())
    acted = dict(first.iter_rows())
    sound = [each.version for each in published if each.refusal is None and each.version in acted]
    return max(acted[version] - told[version] for version in sound)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("publishes", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help=f"of {PUBLISHES} publishes (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
