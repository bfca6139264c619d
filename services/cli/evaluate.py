"""`millrace evaluate`: how well the served scores, or one model, tell frauds among matured payments."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from services.cli.output import add_output, emit
from services.cli.train import whole

if TYPE_CHECKING:
    from services.training.examples import Examples
    from shared.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("--days", type=whole, default=7, help="newest matured days to look at (%(default)s)")
    parser.add_argument("--version", help="score the payments anew with this model version")
    add_output(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where there is nothing to evaluate."""
    from services.training.failure import TrainingError
    from shared.models import ModelRefused

    try:
        emit(arguments, _evaluated(arguments.days, arguments.version, settings))
    except (TrainingError, ModelRefused) as error:
        print(f"millrace evaluate: {error}", file=sys.stderr)
        return 1
    return 0


def _evaluated(days: int, version: str | None, settings: Settings) -> list[dict[str, object]]:
    from services.training.evaluate import evaluated, matured, served
    from services.training.examples import read_examples
    from services.training.failure import TrainingError
    from services.training.versions import Versions
    from shared.features import definitions

    examples: Examples = matured(read_examples(settings, definitions()), days)
    rows = served(examples)
    if version is not None:
        model = Versions.read(settings).load(version, definitions())
        rows.append(evaluated(examples, model.predict(examples.features), f"anew by {version}"))
    if not rows:
        raise TrainingError("no model had scored these payments; raise --days, or name a --version")
    return rows
