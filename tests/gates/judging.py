"""All candidates made from the data set and judged, as a refit does it: a process, so that two run at once.

Its stdin holds the settings. It leaves a folder a candidate: manifest, model, verdicts, parts.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from services.training import refit
from services.training.assess import Fit
from services.training.dataset import Dataset
from services.training.examples import Examples
from services.training.fit import FITS
from services.training.publish import manifest_of
from services.training.recipe import Recipe
from services.training.train import newest, trial
from shared.features import definitions
from shared.settings import Settings
from tests.gates.candidates import BAD, HONEST, OTHER_SCHEMA, PLANTED, Candidate


def main() -> int:
    """Judge them all; return the exit code."""
    arguments = _arguments()
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    FITS.update(PLANTED)
    examples = refit.read(Dataset.read(arguments.dataset), arguments.as_of)
    for candidate in (*HONEST, *BAD):
        out = _folder(arguments, candidate)
        changed = candidate.change(examples, settings) if candidate.change else examples
        refit.made(changed, candidate.recipe, arguments.as_of, out, settings)
    _made_for_others(examples, arguments.as_of, _folder(arguments, OTHER_SCHEMA), settings)
    return 0


def _made_for_others(examples: Examples, as_of: int, out: Path, settings: Settings) -> None:
    """Fit for another version of the features and judge."""
    recipe, features = Recipe(), definitions()
    tried, trained = trial(examples, recipe), newest(examples, recipe)
    other = replace(features, version=features.version + 1)
    manifest = manifest_of(trained, recipe, tried.metrics, other, as_of)
    refit.judge(Fit(manifest, trained, tried, recipe), examples, out, settings)
    (out / refit.MODEL).write_bytes(trained.fitted.predictor.to_bytes())
    (out / refit.MANIFEST).write_bytes(manifest.to_bytes())


def _folder(arguments: argparse.Namespace, candidate: Candidate) -> Path:
    out: Path = arguments.out / candidate.name
    out.mkdir(parents=True)
    (out / refit.CHAMPION).write_bytes(arguments.champion.read_bytes())
    refit.tell("candidate", name=candidate.name)
    return out


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("judging", description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("champion", type=Path, help="the publication of the champion")
    parser.add_argument("out", type=Path)
    parser.add_argument("--as-of", type=int, required=True, help="event time, microseconds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
