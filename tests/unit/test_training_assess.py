"""A fitted model brought before the gates: the verdicts and the parts of its package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from services.training import assess
from services.training.gates.judge import GATES
from services.training.publish import manifest_of
from services.training.recipe import Recipe
from services.training.train import newest, trial
from shared.models import listing, pack, unpack_parts
from shared.settings import Settings
from tests.unit.training_examples import made


@dataclass(frozen=True)
class Definitions:
    version: int = 1
    names: tuple[str, ...] = ("amount", "count", "risk")
    unit: int = 100

    @property
    def bins(self) -> dict[str, npt.NDArray[np.float64]]:
        return {name: np.array([0.0, 1.0]) for name in self.names}


def test_a_fit_gets_all_verdicts_and_the_parts_that_tell_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = pl.DataFrame(
        {"customer_id": ["c1"], "region": ["north"], "age_band": ["60+"], "gender": ["female"]}
    )
    monkeypatch.setattr(assess, "attributes", lambda settings: customers)
    examples, recipe, features = made(days=50), Recipe("logistic"), Definitions()
    tried, model = trial(examples, recipe), newest(examples, recipe)
    manifest = manifest_of(model, recipe, tried.metrics, features)  # type: ignore[arg-type]
    settings = Settings(model_url=str(tmp_path / "models"), keys_folder=tmp_path / "keys")
    fit = assess.Fit(manifest, model, tried, recipe)
    found = assess.judged(fit, examples, None, settings, features)  # type: ignore[arg-type]
    assert [verdict.gate for verdict in found.verdicts] == list(GATES)
    assert [verdict.outcome for verdict in found.verdicts if verdict.gate == "package"] == ["pass"]
    told = json.loads(found.parts["verdicts.json"])
    assert [each["gate"] for each in told] == list(GATES)
    assert manifest.version in found.parts["card.md"].decode()
    package = pack(listing(manifest, found.parts), model.fitted.predictor.to_bytes(), found.parts)
    assert unpack_parts(package) == found.parts
