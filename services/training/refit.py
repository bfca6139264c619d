"""One refit, as a process of its own that yields to everything else: `python -m services.training.refit`.

It reads the data set as of a time and leaves what came of it in a folder; it publishes nothing.
Its stdin holds the settings, a line of JSON, and stays open as long as it may run; its stdout tells, a JSON
object a line, how far it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path

import msgspec

from services.training.assess import Fit, champion_of, judged
from services.training.dataset import Dataset
from services.training.examples import Examples
from services.training.failure import TrainingError
from services.training.floods import floods
from services.training.publish import manifest_of
from services.training.quality import Accepted, quality
from services.training.recipe import READ_DAYS, USUAL, Recipe, settled
from services.training.search import Trial, searched
from services.training.split import DAY, matured_until
from services.training.train import newest, trial
from shared.features import definitions
from shared.models import Manifest, ModelRecord
from shared.policy import GuardsPolicy
from shared.settings import Settings

OUTCOME, MANIFEST, MODEL = "outcome.json", "manifest.json", "model.bin"
QUALITY, VERDICTS, PARTS = "quality.json", "verdicts.json", "parts"
ACCEPTED, CHAMPION = "accepted.json", "champion.bin"
"""What the service leaves there: manifest of the newest model, publication of the champion."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a refit: the version in ``manifest.json``, or why there is none."""

    as_of: int
    version: str | None = None
    reason: str = ""
    seconds: float = 0.0


def main() -> int:
    """Refit once; return the exit code."""
    arguments = _arguments()
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    began = time.monotonic()
    try:
        dataset = Dataset.read(arguments.dataset)
        examples = read(dataset, arguments.as_of)
        version, reason = fitted(examples, dataset.state.began, arguments.as_of, arguments.out, settings), ""
    except TrainingError as error:
        version, reason = None, str(error)
    outcome = Outcome(arguments.as_of, version, reason, round(time.monotonic() - began, 2))
    (arguments.out / OUTCOME).write_bytes(msgspec.json.encode(outcome))
    return 0


def read(dataset: Dataset, as_of: int) -> Examples:
    """Return the examples of the days that a refit looks at, as known at a time, without label floods.

    Raises
    ------
    TrainingError
        If there is none.
    """
    found = dataset.examples(as_of - READ_DAYS * DAY, as_of, known_by=as_of)
    if not len(found):
        raise TrainingError("the data set holds no example whose label counts yet")
    is_flooded, _ = floods(found.rows, GuardsPolicy.load())
    tell("read", rows=len(found), flooded=int(is_flooded.sum()))
    return found.where(~is_flooded)


def fitted(examples: Examples, first: int | None, as_of: int, out: Path, settings: Settings) -> str:
    """Fit and leave report, manifest and model in a folder; return the version.

    ``first`` is when the stream's first label counted, event time in microseconds.

    Raises
    ------
    TrainingError
        If no model can come of these examples.
    """
    end = matured_until(examples)
    check(examples.within(end - USUAL.days * DAY, end), as_of, out)
    recipe = searched(examples, settings.training.search_seconds, time.monotonic, tell_trial)
    if first is not None:
        recipe = settled(recipe, (end - first) / DAY)
    return made(examples, recipe, as_of, out, settings)


def made(examples: Examples, recipe: Recipe, as_of: int, out: Path, settings: Settings) -> str:
    """Fit by a recipe, judge, and leave verdicts, manifest and model in a folder; return the version.

    Raises
    ------
    TrainingError
        If no model can come of these examples.
    """
    tried = trial(examples, recipe)
    tell("tried", **tried.metrics)
    trained = newest(examples, recipe)
    tell("fitted", rows=trained.rows, frauds=trained.frauds)
    manifest = manifest_of(trained, recipe, tried.metrics, definitions(), as_of)
    judge(Fit(manifest, trained, tried, recipe), examples, out, settings)
    (out / MODEL).write_bytes(trained.fitted.predictor.to_bytes())
    (out / MANIFEST).write_bytes(manifest.to_bytes())
    return manifest.version


def judge(fit: Fit, examples: Examples, out: Path, settings: Settings) -> None:
    """Leave the verdicts of the gates in a folder, and the parts that go into the package."""
    features, before = definitions(), out / CHAMPION
    champion = None
    if before.exists():
        champion = champion_of(ModelRecord.from_bytes(before.read_bytes()), settings, features)
    found = judged(fit, examples, champion, settings, features)
    (out / VERDICTS).write_bytes(msgspec.json.encode(found.verdicts))
    (out / PARTS).mkdir()
    for name, part in found.parts.items():
        (out / PARTS / name).write_bytes(part)
    tell("judged", **{each.gate: each.outcome for each in found.verdicts})


def check(examples: Examples, as_of: int, out: Path) -> None:
    """Leave the report on the quality of examples in a folder.

    Raises
    ------
    TrainingError
        If no model may learn from them.
    """
    before = out / ACCEPTED
    accepted = None
    if before.exists():
        accepted = Accepted.of(msgspec.json.decode(before.read_bytes(), type=Manifest))
    report = quality(examples, definitions(), as_of, accepted)
    (out / QUALITY).write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    tell("checked", failures=len(report.failures), warnings=len(report.warnings))
    if report.failures:
        listed = "; ".join(f"{each.name} ({each.value:g}, limit {each.limit:g})" for each in report.failures)
        raise TrainingError(f"the data set is not fit to learn from: {listed}")


def tell(step: str, **about: object) -> None:
    """Say how far it is."""
    print(json.dumps({"step": step, **about}), flush=True)


def tell_trial(trial: Trial) -> None:
    """Say what a recipe reached."""
    about = {"family": trial.recipe.family, "days": trial.recipe.days, "sample": trial.recipe.sample}
    tell("searched", **about, average_precision=trial.average_precision, seconds=round(trial.seconds, 1))


def _end_with_parent() -> None:
    while os.read(0, 1):  # nothing is ever written: it returns when the other end of the pipe is gone
        pass
    os._exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("refit", description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--as-of", type=int, required=True, help="event time, microseconds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
