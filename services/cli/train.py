"""`millrace train`: fit a model on the labelled examples, try it in time order, publish it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from services.cli.output import add_output, emit
from services.training.recipe import FAMILIES, Recipe

if TYPE_CHECKING:
    from shared.settings import Settings

STATUSES = ("champion", "challenger", "candidate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    usual = Recipe()
    parser.add_argument("--days", type=_whole, default=usual.days, help="days to learn from (%(default)s)")
    parser.add_argument(
        "--delay-days",
        type=_whole,
        default=usual.delay_days,
        help="days between training and test (%(default)s)",
    )
    parser.add_argument(
        "--test-days", type=_whole, default=usual.test_days, help="days to test on (%(default)s)"
    )
    parser.add_argument(
        "--family", choices=FAMILIES, default=usual.family, help="kind of model (%(default)s)"
    )
    parser.add_argument(
        "--sample", type=_share, default=usual.sample, help="share of genuine payments to keep (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="seed of the fit (%(default)s)")
    parser.add_argument(
        "--publish", choices=STATUSES, default="candidate", help="status to publish it at (%(default)s)"
    )
    add_output(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where no model can come of the examples."""
    from services.training.failure import TrainingError

    recipe = Recipe(
        arguments.family,
        arguments.days,
        arguments.delay_days,
        arguments.test_days,
        arguments.sample,
        arguments.seed,
    )
    try:
        emit(arguments, [_trained(recipe, arguments.publish, settings)])
    except TrainingError as error:
        print(f"millrace train: {error}", file=sys.stderr)
        return 1
    return 0


def _trained(recipe: Recipe, status: str, settings: Settings) -> dict[str, object]:
    from services.training.examples import read_examples
    from services.training.publish import manifest_of, publish
    from services.training.train import newest, tried
    from shared.features import definitions

    examples = read_examples(settings, definitions(), _progress)
    print(f"fitting {recipe.family} on {recipe.days} days of {len(examples)} payments", file=sys.stderr)
    tested = tried(examples, recipe)
    trained = newest(examples, recipe)
    manifest = manifest_of(trained, recipe, tested, definitions())
    record = publish(manifest, trained.fitted.predictor.to_bytes(), status, settings)  # type: ignore[arg-type]
    about = {"version": record.version, "status": record.status, "family": manifest.family}
    size = {"rows": manifest.rows, "frauds": manifest.frauds}
    return {**about, **size, **manifest.metrics, "package": record.package, "signer": record.signer}


def _progress(count: int) -> None:
    if sys.stderr.isatty():
        print(f"\rread {count} examples", end="", file=sys.stderr)


def _whole(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def _share(text: str) -> float:
    if not 0 < (share := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in (0, 1]")
    return share
