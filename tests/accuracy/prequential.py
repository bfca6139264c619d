"""`make accuracy-prequential DATA=...`: the Handbook's days through services that retrain by themselves.

Each week is scored by the versions that acted then, trained on labels that had come by then. The online
learner's scores are beside them. The last line of stdout is one JSON object; the exit code is 1 when a bound
is missed, and stderr names it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from deploy.local.stack import Stack
from services.replay.delayed import Delays
from services.replay.history import History
from services.replay.pipeline import GROUPS, TRAINING, Pipeline
from services.replay.player import Play, Player, Summary
from services.training.__main__ import folder
from services.training.dataset import Dataset
from services.training.examples import Examples
from services.training.metrics import metrics
from services.training.rows import tokens
from services.training.split import DAY, Split, parts
from shared import wire
from shared.features import definitions
from shared.models import ModelFeed, ModelRecord, events
from shared.settings import Settings
from shared.stream.clients import DependencyError
from tests.accuracy import protocol, served
from tests.accuracy.run import EARLY, LATE, SERVICES, history
from tests.waiting import wait_for

WEEKS = 6
WEEK = 7 * DAY
FIRST_TEST = protocol.windows(0).test_start - (WEEKS - 1) * WEEK  # 2018-07-04
CHAMPION, ONLINE = "champion", "online"
BOUNDS: Mapping[str, Mapping[bool, protocol.Bounds]] = {
    CHAMPION: {False: {"auc": 0.885, "ap": 0.745, "cp100": 0.295}, True: {"ap": 0.84}},
    ONLINE: {False: {"ap": 0.70}, True: {}},
}
"""The least mean over the test weeks, by what scores and whether labels come early."""
AFTER_DAYS, AFTER_HOURLY = 10, 20
"""Payments after the last day, of no other use than that event time goes on until its labels are known."""
HOUR = 3_600_000_000
TELL_SECONDS = 30.0
STUCK_SECONDS = 600.0


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    began = time.monotonic()
    try:
        payments = history(arguments.data)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
            result, weeks = played(payments, arguments, Path(made))
    except (AssertionError, OSError, ValueError, DependencyError) as error:
        print(f"prequential: {error}", file=sys.stderr)
        return 1
    means, missed = judged(weeks, arguments.early)
    for sentence in missed:
        print(f"prequential: {sentence}", file=sys.stderr)
    about = {"mode": "early" if arguments.early else "late", **means, "weeks": weeks, **result}
    print(json.dumps({**about, "seconds": round(time.monotonic() - began, 1), "is_ok": not missed}))
    return 1 if missed else 0


def played(
    payments: pl.DataFrame, arguments: argparse.Namespace, place: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Replay the history through a fresh stack; return what became of it, and the metrics by week."""
    with Stack(place, services=(*SERVICES, "training")) as stack:
        settings = stack.settings
        began = time.monotonic()
        replay(arguments, settings)
        seconds = round(time.monotonic() - began, 1)
        tell("reading what was served")
        scored = payments.join(scores(settings), on="transaction_id", how="left", maintain_order="left")
        online = scores_online(payments["transaction_id"], settings)
        moves = told(settings)
        restarts = {each.service: each.restarts for each in stack.supervisor.statuses() if each.restarts}
    if restarts:
        raise AssertionError(f"services had to be started again: {restarts}")
    found = scored.with_columns(online_score=online)
    weeks = [week(found, FIRST_TEST + number * WEEK) for number in range(WEEKS)]
    return {"rows_sent": payments.height, "replay_seconds": seconds, "events": moves}, weeks


@dataclass(frozen=True)
class After:
    """Payments of nobody known, hour by hour after a time."""

    start: int
    name: str = "after"

    def total(self) -> int | None:
        """Return their number."""
        return AFTER_DAYS * 24 * AFTER_HOURLY

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield an hour's payments."""
        for hour in range(AFTER_DAYS * 24):
            names = [f"after-{hour}-{number}" for number in range(AFTER_HOURLY)]
            at = self.start + hour * HOUR
            yield pl.DataFrame(
                {
                    "transaction_id": names,
                    "event_time": [at + number for number in range(AFTER_HOURLY)],
                    "customer_id": names,
                    "terminal_id": names,
                    "amount": [100] * AFTER_HOURLY,
                    "currency": ["EUR"] * AFTER_HOURLY,
                    "label": ["genuine"] * AFTER_HOURLY,
                }
            )


def replay(arguments: argparse.Namespace, settings: Settings) -> None:
    """Play the history and its labels at full speed, waiting for models; then what comes after it."""
    days = [float(each) for each in (EARLY if arguments.early else LATE)]
    lag, delays = definitions().label_lag, Delays(days[0], days[-1])
    play = Play(lag=lag, delays=delays, is_training_awaited=True)
    tell(f"replaying {arguments.data}, labels {' to '.join(map(str, days))} days after the payment")
    player = Player(settings, play, Progress())
    player.run(History(arguments.data))
    rest = Player(settings, play)
    rest.pending = player.pending
    end = protocol.windows(0).test_end
    rest.run(After(end))
    rest.send_pending()
    await_training(settings)


def await_training(settings: Settings) -> None:
    """Wait until no service has anything left to read."""
    pipeline = Pipeline(settings, {**GROUPS, **TRAINING})
    try:
        wait_for(lambda: pipeline.slowest() is None, STUCK_SECONDS, "an end of what the services read")
    finally:
        pipeline.close()


class Progress:
    """Says now and then how far the replay is."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self, summary: Summary) -> None:
        """Say it where it is time."""
        now = time.monotonic()
        if now >= self._due and summary.event_time is not None:
            self._due = now + TELL_SECONDS
            tell(f"{day(summary.event_time)}: {summary.payments} payments in {summary.seconds:.0f} s")


def scores(settings: Settings) -> pl.DataFrame:
    """Return what was served: transaction_id, score, model_version."""
    names = ("transaction_id", "score", "model_version")
    chunks = served.accepted(settings, "scores.v1")
    return pl.concat([wire.decode_columns(values, names) for values in chunks])


def scores_online(ids: pl.Series, settings: Settings) -> pl.Series:
    """Return the online learner's scores of payments, null where it gave none."""
    dataset = Dataset.read(folder(settings))
    rows = dataset.rows(
        FIRST_TEST - WEEK, protocol.windows(0).test_end, None, ("transaction_id", "online_score")
    )
    named = pl.DataFrame({"transaction_id": tokens(ids, settings.secret("dataset"))})
    return named.join(rows, on="transaction_id", how="left", maintain_order="left")["online_score"]


def told(settings: Settings) -> list[dict[str, Any]]:
    """Return the events in the life of the models."""
    feed = ModelFeed(settings)
    try:
        return [_event(each) for each in events(feed.catch_up())]
    finally:
        feed.close()


def _event(record: ModelRecord) -> dict[str, Any]:
    about = {"day": day(record.event_time), "version": record.version, "status": record.status}
    return {**about, "who": record.who, "reason": record.reason}


def week(scored: pl.DataFrame, start: int) -> dict[str, Any]:
    """Return the metrics of a test week, by the Handbook's rule for customers known to be compromised."""
    days = Split(start - 2 * WEEK, start - WEEK, start, start + WEEK)
    near = scored.filter((pl.col("event_time") >= days.train_start) & (pl.col("event_time") < days.test_end))
    rows = parts(Examples(near, np.empty((near.height, 0), np.float32)), days)[1].rows
    found: dict[str, Any] = {"from": day(start), "rows": rows.height, "frauds": int(rows["is_fraud"].sum())}
    for name, column in ((CHAMPION, "score"), (ONLINE, "online_score")):
        absent = rows[column].null_count()
        if absent:
            raise AssertionError(
                f"{absent} of {rows.height} payments of the week from {day(start)} lack {column}"
            )
        values = metrics(rows, rows[column].to_numpy())
        found[name] = {short: round(values[long] or 0.0, 4) for long, short in protocol.METRICS.items()}
    return {**found, "acting": sorted(rows["model_version"].unique().to_list())}


def judged(weeks: Sequence[dict[str, Any]], is_early: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the means over the weeks with their bounds, and a sentence for each bound that is missed."""
    means: dict[str, Any] = {}
    missed: list[str] = []
    for name, by_mode in BOUNDS.items():
        bounds = by_mode[is_early]
        mean = {metric: statistics.fmean(each[name][metric] for each in weeks) for metric in weeks[0][name]}
        means[name] = {
            metric: {"value": round(value, 4), "bound": bounds.get(metric)} for metric, value in mean.items()
        }
        missed += protocol.missed(name, mean, bounds)
        if not is_early:
            missed += [
                each
                for one in weeks
                for each in protocol.leaks(f"{name}, week from {one['from']},", one[name])
            ]
    return means, missed


def day(time: int) -> str:
    """Return the date of an event time."""
    return str(pl.Series([time]).cast(pl.Datetime("us")).dt.date()[0])


def tell(sentence: str) -> None:
    """Say on stderr how far it is."""
    print(f"prequential: {sentence}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("prequential", description=__doc__)
    parser.add_argument("data", type=Path, help="the Handbook's payments as Parquet")
    parser.add_argument("--early", action="store_true", help="labels 1 to 5 days late in place of 6")
    parser.add_argument("--folder", type=Path, help="where the stack's files lie meanwhile")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
