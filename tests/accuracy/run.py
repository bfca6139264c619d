"""`make accuracy DATA=...`: the Handbook's data through the live services, features and models checked.

The last line of stdout is one JSON object; the exit code is 1 when a bound is missed, and stderr names it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from deploy.local import processes
from deploy.local.stack import Stack
from deploy.local.variables import variables
from services.training.examples import Examples
from services.training.failure import TrainingError
from services.training.split import DAY
from shared.features import definitions
from shared.settings import Settings
from shared.stream.clients import DependencyError
from tests.accuracy import protocol, served
from tests.accuracy.reference import different, reference

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "labels")
COLUMNS = ("id", "t", "customer", "terminal", "cents", "scenario")
START = protocol.windows(0).test_start - 129 * DAY  # 2018-04-01, from which t counts
SECOND = 1_000_000
LATE, EARLY = ("6",), ("1", "5")
DRAWS = (0, 1, 2)
"""Seeds of the delays: with labels 1 to 5 days late, how soon the labels of one test week come is luck."""
COUNTS = ("rows_sent", "rows_scored", "rows_repeated", "labels", "features_different")
STALL_SECONDS = 120.0
POLL_SECONDS = 1.0


def main() -> int:
    """Run the command; return the exit code."""
    arguments = _arguments()
    began = time.monotonic()
    try:
        payments = history(arguments.data)
        result, missed = checked(payments, arguments)
    except (AssertionError, OSError, ValueError, DependencyError) as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 1
    for sentence in missed:
        print(f"accuracy: {sentence}", file=sys.stderr)
    print(json.dumps({**result, "seconds": round(time.monotonic() - began, 1), "is_ok": not missed}))
    return 1 if missed else 0


def history(file: Path) -> pl.DataFrame:
    """Return the payments by id: transaction_id, event_time, customer, terminal, cents, is_fraud."""
    frame = pl.read_parquet(file)
    absent = [name for name in COLUMNS if name not in frame.columns]
    if absent:
        raise ValueError(f"{file} lacks the columns {', '.join(absent)}; DATA must be the Handbook's file")
    return frame.select(
        transaction_id=pl.col("id").cast(pl.String),
        event_time=START + pl.col("t").cast(pl.Int64) * SECOND,
        customer_id=pl.col("customer").cast(pl.String),
        terminal_id=pl.col("terminal").cast(pl.String),
        amount=pl.col("cents").cast(pl.Int64),
        is_fraud=pl.col("scenario") > 0,
    ).sort("transaction_id")


@dataclass(frozen=True)
class Draw:
    """What one replay, with one draw of the delays, gave: counts, metrics by contender, what is wrong."""

    counts: dict[str, Any]
    figures: dict[str, dict[str, float]]
    missed: list[str]

    def row(self) -> dict[str, Any]:
        """Return its part of the printed object."""
        rounded = {
            name: {metric: round(value, 4) for metric, value in found.items()}
            for name, found in self.figures.items()
        }
        return {**self.counts, **rounded}


def checked(payments: pl.DataFrame, arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Return counts over all draws with the mean figures, and a sentence for each bound that is missed."""
    draws = []
    for seed in DRAWS if arguments.early else DRAWS[:1]:
        draws.append(drawn(payments, arguments, seed))
        tell(json.dumps(draws[-1].row()))
    result: dict[str, Any] = {"mode": "early" if arguments.early else "late"}
    known = [name for name in COUNTS if all(name in draw.counts for draw in draws)]
    result |= {name: sum(draw.counts[name] for draw in draws) for name in known}
    figures, missed = judged([draw.figures for draw in draws], arguments.early)
    wrong = [f"draw {draw.counts['delay_seed']}: {each}" for draw in draws for each in draw.missed]
    return {**result, **figures, "draws": [draw.row() for draw in draws]}, [*wrong, *missed]


def drawn(payments: pl.DataFrame, arguments: argparse.Namespace, seed: int) -> Draw:
    """Replay the history through a fresh stack and check and model what was served."""
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        Stack(Path(folder), services=SERVICES) as stack,
    ):
        replay(arguments, seed, stack.settings)
        await_records(stack.settings, "labels.v1", int(payments["is_fraud"].sum()))
        await_records(stack.settings, "scores.v1", payments.height)
        tell("reading what was served")
        scored = served.count(stack.settings, "scores.v1")
        labels = served.labels(stack.settings)
        found = served.features(stack.settings)
        log = served.log_order(stack.settings)
    counts: dict[str, Any] = {"delay_seed": seed, "rows_sent": payments.height, "rows_scored": scored}
    counts |= {"rows_repeated": found.repeats, "labels": labels.height}
    missed = [] if scored == payments.height else [f"{scored} of {payments.height} rows were scored"]
    if not found.transaction_id.equals(payments["transaction_id"]):
        return Draw(counts, {}, [*missed, "the payments with features are not the payments sent"])
    tell("computing the features a second time with pandas")
    count = differences(payments, found.features, log, labels)
    counts |= {"features_different": count, "label_delay_days": delays(payments, labels)}
    missed += [f"{count} values of features differ from the reference"] if count else []
    figures, sentences = models(Examples(payments, found.features), arguments.early)
    return Draw(counts, figures, [*missed, *sentences])


def differences(
    payments: pl.DataFrame, features: npt.NDArray[np.float32], log: pl.Series, labels: pl.DataFrame
) -> int:
    """Return how many values of features, rows as in ``payments``, are not those of the reference."""
    logged = pl.DataFrame({"transaction_id": log}).join(
        payments.with_row_index("row"), on="transaction_id", how="left", maintain_order="left"
    )
    expected = reference(logged.to_pandas(), labels.to_pandas())
    return different(features[logged["row"].to_numpy()], expected)


def delays(payments: pl.DataFrame, labels: pl.DataFrame) -> list[float]:
    """Return the shortest and the longest time from payment to label, days."""
    both = labels.join(payments, on="transaction_id")
    days = (both["label_time"] - both["event_time"]).to_numpy() / DAY
    return [round(float(days.min()), 3), round(float(days.max()), 3)]


def replay(arguments: argparse.Namespace, seed: int, settings: Settings) -> None:
    """Play the history and its labels at full speed, by the command."""
    delay = EARLY if arguments.early else LATE
    tell(f"replaying {arguments.data}, labels {' to '.join(delay)} days after the payment, draw {seed}")
    command = [sys.executable, "-m", "services.cli.main", "replay", str(arguments.data.absolute())]
    options = ["--speed", "max", "--label-delay-days", *delay, "--delay-seed", str(seed)]
    done = subprocess.run(
        [*command, *options], env=environment(settings), cwd=ROOT, check=False, stdout=sys.stderr
    )
    if done.returncode != 0:
        raise AssertionError(f"millrace replay ended with exit code {done.returncode}")


def await_records(settings: Settings, topic: str, rows: int) -> None:
    """Wait until a topic holds as many records; fail when none came for two minutes."""
    seen, since = -1, time.monotonic()
    while (found := served.written(settings, topic)) < rows:
        if found > seen:
            seen, since = found, time.monotonic()
            tell(f"{topic} holds {found} of {rows} records")
        if time.monotonic() - since > STALL_SECONDS:
            raise AssertionError(f"{topic} stands at {found} of {rows} records; see the services' logs")
        time.sleep(POLL_SECONDS)


def models(examples: Examples, is_early: bool) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Return the metrics of each contender, and a sentence for each that cannot be fitted."""
    features = definitions()
    is_handbook = np.array([name in features.handbook for name in features.names])
    figures: dict[str, dict[str, float]] = {}
    missed: list[str] = []
    for contender in protocol.CONTENDERS:
        if not contender.bounds(is_early):
            continue
        tell(f"fitting {contender.name} with {protocol.SEEDS} seeds")
        try:
            figures[contender.name] = protocol.figures(contender, examples, is_handbook)
        except TrainingError as error:
            missed.append(f"{contender.name}: {error}")
    return figures, missed


def judged(draws: Sequence[dict[str, dict[str, float]]], is_early: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the mean over the draws of every metric, with its bound, and a sentence for each that is missed.

    A contender without metrics in a draw, which says why itself, has no mean.
    """
    figures: dict[str, Any] = {}
    missed: list[str] = []
    for contender in protocol.CONTENDERS:
        name, bounds = contender.name, contender.bounds(is_early)
        if not bounds or not all(name in draw for draw in draws):
            continue
        mean = {metric: statistics.fmean(draw[name][metric] for draw in draws) for metric in draws[0][name]}
        figures[name] = {
            metric: {"value": round(value, 4), "bound": bounds.get(metric)} for metric, value in mean.items()
        }
        leaks: Iterable[str] = () if is_early else protocol.leaks(name, mean)
        missed += [*protocol.missed(name, mean, bounds), *leaks]
    return figures, missed


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which the command reads these settings."""
    inherited = {k: v for k, v in processes.environment().items() if not k.startswith("MILLRACE_")}
    return {**inherited, **variables(settings)}


def tell(sentence: str) -> None:
    """Say on stderr how far it is."""
    print(f"accuracy: {sentence}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("accuracy", description=__doc__)
    parser.add_argument("data", type=Path, help="the Handbook's payments as Parquet")
    parser.add_argument(
        "--early",
        action="store_true",
        help="labels 1 to 5 days late in place of 6: one replay for each of three draws",
    )
    parser.add_argument("--folder", type=Path, help="where the stack's files lie meanwhile")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
