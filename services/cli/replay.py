"""`millrace replay`: play a history or a simulation into the stream."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.output import add_output, emit

if TYPE_CHECKING:
    from services.replay.payments import Source
    from services.replay.player import Play, Summary
    from shared.settings import Settings

SIMULATE = "simulate"
USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("source", help=f"a .parquet or .csv file, or `{SIMULATE}`")
    parser.add_argument("--sql", type=Path, help="file with the SELECT that maps the history (Handbook's)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", default="max", help="a multiple of real time, or max (%(default)s)")
    pace.add_argument("--rate", type=float, help="payments a second instead")
    parser.add_argument("--format", choices=("avro", "json"), default="avro", help="form of raw records")
    parser.add_argument("--resume", action="store_true", help="go on where an earlier replay was stopped")
    parser.add_argument(
        "--await-training", action="store_true", help="at full speed, let models be retrained in time"
    )
    parser.add_argument("--repeat-share", type=_share, default=0.0, help="share of payments sent twice")
    _add_labels(parser.add_argument_group("labels"))
    _add_simulation(parser.add_argument_group("simulation"))
    add_output(parser)


def _add_labels(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--label-delay-days",
        type=float,
        nargs="+",
        default=[1.0, 5.0],
        metavar="DAYS",
        help="one, or a range",
    )
    group.add_argument("--delay-seed", type=int, default=0, metavar="N", help="another draw from the range")
    for name, about in (
        ("genuine", "of genuine payments that get a label"),
        ("repeated", "of labels sent twice"),
        ("corrected", "of fraud labels corrected later"),
        ("late", "of labels 30 days later still"),
    ):
        group.add_argument(f"--{name}-share", type=_share, default=0.0, help=f"share {about}")


def _add_simulation(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--customers", type=int, default=5000)
    group.add_argument("--terminals", type=int, default=10_000)
    group.add_argument("--days", type=int, default=30)
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--frequency", type=float, default=1.0, help="factor of how often customers pay")
    for name, about in (
        ("behaviour", "amounts"),
        ("visits", "payments of a customer"),
        ("fraud", "newly compromised"),
    ):
        group.add_argument(
            f"--{name}-change", type=float, nargs="+", default=[0, 1.0], metavar="DAY",
            help=f"DAY FACTOR [RAMP_DAYS]: {about} times FACTOR from DAY on",
        )  # fmt: skip

    group.add_argument(
        "--bursts-change", type=float, nargs="+", default=[0, 0.0], metavar="DAY",
        help="DAY SHARE [RAMP_DAYS]: this share of leaked cards is used in bursts of small payments",
    )  # fmt: skip


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 2 where the history or an option cannot be."""
    from services.replay.failure import ReplayError
    from services.replay.player import Player

    try:
        source = _source(arguments, settings)
        with _Bar(source.total()) as bar:
            player = Player(settings, _play(arguments), bar.show)
            player.run(source)
            player.send_pending()
    except ReplayError as error:
        print(f"millrace replay: {error}", file=sys.stderr)
        return USAGE
    emit(arguments, [player.summary.row()])
    return 0


def _source(arguments: argparse.Namespace, settings: Settings) -> Source:
    from services.replay.history import HANDBOOK, History
    from services.replay.sender import send_customers
    from services.replay.simulator import Simulation

    if arguments.source != SIMULATE:
        return History(Path(arguments.source), arguments.sql or HANDBOOK)
    simulation = Simulation(
        customers=arguments.customers,
        terminals=arguments.terminals,
        days=arguments.days,
        seed=arguments.seed,
        rate=arguments.frequency,
        behaviour=_change(arguments.behaviour_change),
        frequency=_change(arguments.visits_change),
        fraud=_change(arguments.fraud_change),
        bursts=_change(arguments.bursts_change, before=0.0),
    )
    send_customers(settings, simulation.population().to_dicts())
    return simulation


def _play(arguments: argparse.Namespace) -> Play:
    from services.replay.delayed import Delays
    from services.replay.failure import ReplayError
    from services.replay.player import Play
    from shared.features import definitions

    days = arguments.label_delay_days
    if len(days) > 2 or min(days) < 0 or sorted(days) != days:
        raise ReplayError("--label-delay-days takes one number of days, or the least and the most")
    if arguments.speed != "max" and not _is_positive(arguments.speed):
        raise ReplayError(f"--speed is max or a number above 0, not {arguments.speed}")
    if arguments.rate is not None and arguments.rate <= 0:
        raise ReplayError(f"--rate is a number above 0, not {arguments.rate:g}")
    shares = {f"{name}_share": getattr(arguments, f"{name}_share") for name in _LABEL_SHARES}
    return Play(
        speed=arguments.speed if arguments.speed == "max" else float(arguments.speed),
        rate=arguments.rate,
        lag=definitions().label_lag,
        delays=Delays(days[0], days[-1], seed=arguments.delay_seed, **shares),
        form=arguments.format,
        repeat_share=arguments.repeat_share,
        is_resumed=arguments.resume,
        is_training_awaited=arguments.await_training,
    )


_LABEL_SHARES = ("genuine", "repeated", "corrected", "late")


def _change(numbers: list[float], before: float = 1.0) -> Any:
    from services.replay.changes import Change
    from services.replay.failure import ReplayError

    if len(numbers) not in (2, 3):
        raise ReplayError("a change takes DAY FACTOR, and RAMP_DAYS where it comes gradually")
    ramp = int(numbers[2]) if len(numbers) == 3 else 0
    return Change(int(numbers[0]), numbers[1], ramp, before)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return share


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("payments", total=total)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, summary: Summary) -> None:
        """Show how far it is."""
        self._progress.update(self._task, completed=summary.payments)
