"""A refit from the data set to a judged model, without a broker."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from services.training import assess, refit
from services.training.card.facts import Facts, facts_of
from services.training.dataset import Dataset, Origin
from services.training.failure import TrainingError
from services.training.gates.evidence import Trial
from services.training.gates.verdict import Verdict
from services.training.order import Reached
from services.training.publish import publication
from services.training.recipe import ALTERNATIVES, FOLDS, READ_DAYS, WAITED_DAYS, Recipe
from services.training.split import DAY, matured_until, split
from services.training.steering import believed, newest_floods, within
from shared.features import definitions
from shared.models import Manifest, Model, fetch, load, trusted_keys
from shared.policy import GuardsPolicy, Policy, RolloutPolicy
from shared.settings import Settings

FEATURES = definitions()
DAYS, DAILY, FIRST = 45, 60, 100
AS_OF = (FIRST + DAYS + 9) * DAY


def rows(days: int = DAYS) -> pl.DataFrame:
    generator, count = np.random.default_rng(3), days * DAILY
    ids = [f"{number:032x}" for number in range(count)]
    times = FIRST * DAY + np.arange(count) * DAY // DAILY
    is_fraud = generator.random(count) < 0.05
    told = pl.DataFrame(
        {
            "partition": [0] * count,
            "offset": range(count),
            "transaction_id": ids,
            "customer_id": [f"{number:032x}" for number in generator.integers(0, 300, count)],
            "terminal_id": ids,
            "event_time": times,
            "label_time": times + 7 * DAY,
            "known_at": times + 8 * DAY,
            "label_rank": [0] * count,
            "label_origin": ["implied"] * count,
            "amount_base": generator.integers(100, 30_000, count),
            "channel": ["online"] * count,
            "is_fraud": is_fraud,
            "is_implied": ~is_fraud,
            "score": [None] * count,
            "model_version": [None] * count,
            "challenger_score": [None] * count,
            "challenger_version": [None] * count,
            "online_score": [None] * count,
            "at": times + 8 * DAY,
        },
        schema_overrides={
            "score": pl.Float64,
            "model_version": pl.String,
            "challenger_score": pl.Float64,
            "challenger_version": pl.String,
            "online_score": pl.Float64,
        },
    )
    values = generator.random((count, len(FEATURES.names)), np.float32)
    values[:, 0] += 0.6 * is_fraud
    return pl.concat([told, pl.DataFrame(values, schema=list(FEATURES.names))], how="horizontal")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_folder=tmp_path, keys_folder=tmp_path / "keys", model_url=str(tmp_path / "models"))


def committed(made: pl.DataFrame, place: Path) -> Dataset:
    dataset = Dataset.open(place, 90, Origin("topic", FEATURES.version, FEATURES.names, "0"))
    dataset.commit(dataset.standing(made.drop("at")), made, {0: Reached(len(made), AS_OF)}, b"")
    return dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return committed(rows(), tmp_path / "examples").folder


def test_a_refit_leaves_a_judged_model_that_loads(
    folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assess, "read_topic", lambda settings, topic: iter(()))
    out = tmp_path / "refit"
    out.mkdir()
    version = refit.fitted(refit.read(Dataset.read(folder), AS_OF), None, AS_OF, out, settings)
    manifest = msgspec.json.decode((out / refit.MANIFEST).read_bytes(), type=Manifest)
    verdicts = msgspec.json.decode((out / refit.VERDICTS).read_bytes(), type=list[Verdict])
    assert (manifest.version, manifest.as_of) == (version, AS_OF)
    assert {each.gate: each.outcome for each in verdicts if each.gate in ("package", "privacy")} == {
        "package": "pass",
        "privacy": "pass",
    }
    parts = {file.name: file.read_bytes() for file in (out / refit.PARTS).iterdir()}
    assert {"card.html", "verdicts.json", "environment.txt"} <= set(parts)
    record = publication(manifest, (out / refit.MODEL).read_bytes(), settings, parts)
    model = load(fetch(record, settings), record, trusted_keys(settings), FEATURES)
    scores = model.predict(rows().select(FEATURES.names).to_numpy())
    assert scores[rows()["is_fraud"].to_numpy()].mean() > 2 * scores.mean()


@pytest.mark.parametrize(("age", "days"), [(40, 28), (70, 40), (200, 56)])
def test_a_refit_learns_from_no_day_on_which_windows_were_filling(
    age: int, days: int, folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Recipe] = []
    monkeypatch.setattr(refit, "made", lambda examples, recipe, *_: taken.append(recipe))
    examples = refit.read(Dataset.read(folder), AS_OF)
    refit.fitted(examples, matured_until(examples) - age * DAY, AS_OF, tmp_path, settings)
    assert [each.days for each in taken] == [days]


def test_a_card_tells_of_the_model_that_had_not_learned_from_the_payments_of_the_trial(
    folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def caught(model: Model, trial: Trial, groups: pl.DataFrame, policy: Policy) -> Facts:
        seen.append((model.predict(trial.examples.features), trial.scores))
        return facts_of(model, trial, groups, policy)

    monkeypatch.setattr(assess, "read_topic", lambda settings, topic: iter(()))
    monkeypatch.setattr(assess, "facts_of", caught)
    out = tmp_path / "refit"
    out.mkdir()
    refit.made(refit.read(Dataset.read(folder), AS_OF), Recipe(), AS_OF, out, settings)
    ((of_the_card, of_the_trial),) = seen
    np.testing.assert_array_equal(of_the_card, of_the_trial)


def test_a_refit_reads_as_many_days_as_the_longest_recipe_needs_and_they_are_kept(tmp_path: Path) -> None:
    days = READ_DAYS + 5
    dataset = committed(rows(days), tmp_path / "long")
    examples = refit.read(dataset, (FIRST + days + 9) * DAY)
    for recipe in ALTERNATIVES:
        end = matured_until(examples) - (FOLDS - 1) * recipe.test_days * DAY
        windows = split(end, recipe.days, recipe.delay_days, recipe.test_days)
        assert examples.times.min() <= windows.train_start
    assert FEATURES.horizon + 2 * FEATURES.label_lag + DAY <= WAITED_DAYS * DAY
    assert Settings().training.kept_days >= READ_DAYS


def test_a_set_of_broken_form_is_not_learned_from(folder: Path, settings: Settings, tmp_path: Path) -> None:
    examples = refit.read(Dataset.read(folder), AS_OF)
    examples.features[-100, 1] = -1
    with pytest.raises(TrainingError, match="not fit to learn from: form: is_weekend"):
        refit.fitted(examples, None, AS_OF, tmp_path, settings)


def test_labels_that_count_later_are_not_read(folder: Path) -> None:
    assert refit.read(Dataset.read(folder), (FIRST + 20) * DAY).times.max() <= (FIRST + 12) * DAY
    with pytest.raises(TrainingError, match="no example whose label counts yet"):
        refit.read(Dataset.read(folder), FIRST * DAY)


def test_a_flood_of_labels_is_told_of_and_not_learned_from(tmp_path: Path) -> None:
    at = (FIRST + 40) * DAY
    is_partners, is_flooded = pl.col("offset") % 6 == 0, pl.col("offset").is_between(1000, 1000 + 119)
    explicit = rows().with_columns(
        label_origin=pl.when(is_partners | is_flooded).then(pl.lit("partner")).otherwise("label_origin"),
        is_implied=~(is_partners | is_flooded),
        label_time=pl.when(is_flooded).then(at + 5).otherwise("label_time"),
    )
    dataset = committed(explicit.with_columns(known_at=pl.col("label_time") + DAY), tmp_path / "examples")
    policies = RolloutPolicy.load(), GuardsPolicy.load()
    for days, told in ((2, [("partner", 130, 100)]), (3, [])):
        now = at + days * DAY
        found = newest_floods(believed(dataset, *policies, now)[1], now, FEATURES.label_lag)
        assert [(each.name, each.labels, each.limit) for each in found] == told
    read = refit.read(dataset, AS_OF).rows
    assert read.height == DAYS * DAILY - 130
    counted, _ = believed(dataset, *policies, AS_OF)
    assert counted.height == DAYS * DAILY - 130
    late = FIRST * DAY + 1100 * DAY // DAILY  # where 20 of the 120 are seen: no flood by themselves
    assert within(counted, late, AS_OF).height == DAYS * DAILY - 1100 - 20 - 10
