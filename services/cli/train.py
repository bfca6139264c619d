"""`millrace train`: fit a model on the labelled examples, try it in time order, publish it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from services.cli.output import add_output, emit
from services.training.recipe import FAMILIES, Recipe

if TYPE_CHECKING:
    from services.training.assess import Fit, Judged
    from services.training.examples import Examples
    from shared.settings import Settings

STATUSES = ("published", "shadow", "champion")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    usual = Recipe()
    parser.add_argument("--days", type=whole, default=usual.days, help="days to learn from (%(default)s)")
    parser.add_argument(
        "--delay-days",
        type=whole,
        default=usual.delay_days,
        help="days between training and test (%(default)s)",
    )
    parser.add_argument(
        "--test-days", type=whole, default=usual.test_days, help="days to test on (%(default)s)"
    )
    parser.add_argument(
        "--family", choices=FAMILIES, default=usual.family, help="kind of model (%(default)s)"
    )
    parser.add_argument(
        "--sample", type=_share, default=usual.sample, help="share of genuine payments to keep (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="seed of the fit (%(default)s)")
    parser.add_argument(
        "--publish", choices=STATUSES, default="published", help="status to bring it to (%(default)s)"
    )
    add_output(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where no model can come of the examples."""
    from services.training.failure import TrainingError
    from shared.models import NotAllowed

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
    except (TrainingError, NotAllowed) as error:
        print(f"millrace train: {error}", file=sys.stderr)
        return 1
    return 0


def _trained(recipe: Recipe, status: str, settings: Settings) -> dict[str, object]:
    from services.training.assess import Fit
    from services.training.examples import read_examples
    from services.training.publish import check_topic, manifest_of, publish
    from services.training.rows import without_ids
    from services.training.train import newest, trial
    from shared.features import definitions

    check_topic(settings)  # before the minutes of a fit
    examples = without_ids(read_examples(settings, definitions(), _progress), settings.secret("dataset"))
    print(f"fitting {recipe.family} on {recipe.days} days of {len(examples)} payments", file=sys.stderr)
    tested, trained = trial(examples, recipe), newest(examples, recipe)
    manifest = manifest_of(trained, recipe, tested.metrics, definitions())
    found = _judged(Fit(manifest, trained, tested, recipe), examples, settings)
    failed = ", ".join(each.gate for each in found.verdicts if each.outcome == "fail")
    model = trained.fitted.predictor.to_bytes()
    record = publish(manifest, model, status, settings, found.parts)  # type: ignore[arg-type]
    about = {"version": record.version, "status": status, "family": manifest.family, "gates_failed": failed}
    size = {"rows": manifest.rows, "frauds": manifest.frauds}
    return {**about, **size, **manifest.metrics, "package": record.package, "signer": record.signer}


def _judged(fit: Fit, examples: Examples, settings: Settings) -> Judged:
    from services.training.assess import champion_of, judged
    from services.training.versions import Versions
    from shared.features import definitions

    acting = Versions.read(settings).standing.champion
    champion = champion_of(acting.published, settings, definitions()) if acting else None
    found = judged(fit, examples, champion, settings, definitions())
    for each in found.verdicts:
        print(f"gate {each.gate}: {each.outcome}: {each.sentence}", file=sys.stderr)
    return found


def _progress(count: int) -> None:
    if sys.stderr.isatty():
        print(f"\rread {count} examples ", end="", file=sys.stderr)


def whole(text: str) -> int:
    """Return a number of days; an argparse type."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and at most 1")
    return share
