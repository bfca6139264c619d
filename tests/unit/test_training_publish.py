"""Publishing: what is packed, signed and stored is what loads, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from services.training.publish import manifest_of, store
from services.training.recipe import FAMILIES, Family, Recipe
from services.training.train import trained
from services.training.versions import Versions
from shared.features import definitions
from shared.models import (
    ModelRecord,
    ModelRefused,
    Refusal,
    Standing,
    fetch,
    load,
    pack,
    sign,
    signing_key,
    standing,
    trusted_keys,
)
from shared.settings import Settings
from tests.unit.model_packages import Numbering, moved, record
from tests.unit.training_examples import made

EXAMPLES = made(days=10)
SERVED = definitions()
WIDE = made(days=10, width=len(SERVED.names))


@dataclass(frozen=True)
class Definitions:
    version: int = 1
    names: tuple[str, ...] = ("amount", "count", "risk")

    @property
    def bins(self) -> dict[str, npt.NDArray[np.float64]]:
        return {name: np.array([0.0, 1.0]) for name in self.names}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(model_url=str(tmp_path / "models"), keys_folder=tmp_path / "keys")


def published(settings: Settings, family: Family = "logistic", is_wide: bool = False) -> ModelRecord:
    model = trained(WIDE if is_wide else EXAMPLES, Recipe(family))
    of = SERVED if is_wide else Definitions()
    manifest = manifest_of(model, Recipe(family), {"auc_roc": 0.9}, of)  # type: ignore[arg-type]
    package = pack(manifest, model.fitted.predictor.to_bytes())
    signature, signer = sign(package, signing_key(settings))
    path = f"{manifest.version}/model.zip"
    store(package, path, settings)
    return msgspec.structs.replace(
        record(package),
        version=manifest.version,
        package=path,
        signature=signature,
        signer=signer,
        sha256=hashlib.sha256(package).hexdigest(),
        event_time=manifest.created_at,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stored_model_loads_and_scores_as_it_did_when_it_was_fitted(
    settings: Settings, family: Family
) -> None:
    of = published(settings, family, is_wide=True)
    model = load(fetch(of, settings), of, trusted_keys(settings), SERVED)
    expected = trained(WIDE, Recipe(family))
    np.testing.assert_array_equal(model.predict(WIDE.features), expected.predict(WIDE.features))
    np.testing.assert_array_equal(model.medians, expected.medians.astype(np.float32))
    assert model.manifest.training_set == expected.training_set
    assert set(model.manifest.libraries) == {"numpy", "scikit-learn", "treelite", "river"}


def test_the_version_names_the_newest_training_day_and_the_content(settings: Settings) -> None:
    first, second, other = published(settings), published(settings), published(settings, "boosted")
    assert first.version == second.version != other.version
    assert first.version.startswith("1970-01-10-")


def test_training_values_are_counted_by_bin_for_every_payment_of_the_training_days() -> None:
    recipe = Recipe("logistic", sample=0.1)
    made = manifest_of(trained(EXAMPLES, recipe), recipe, {}, Definitions())  # type: ignore[arg-type]
    amounts = EXAMPLES.features[:, 0]
    below, above = int((amounts < 0).sum()), int((amounts >= 1).sum())
    assert made.histograms["amount"] == [below, len(EXAMPLES) - below - above, above, 0]
    assert made.rows < len(EXAMPLES)


def test_a_package_altered_in_the_store_is_refused(settings: Settings) -> None:
    of = published(settings)
    file = Path(settings.model_url) / of.package
    file.write_bytes(file.read_bytes().replace(b'"features_version":1', b'"features_version":2'))
    with pytest.raises(ModelRefused) as caught:
        load(fetch(of, settings), of, trusted_keys(settings), Definitions())
    assert caught.value.reason is Refusal.ALTERED


def test_an_altered_package_with_its_digest_made_anew_is_refused_too(settings: Settings) -> None:
    of = published(settings)
    altered = fetch(of, settings).replace(b'"features_version":1', b'"features_version":2')
    forged = msgspec.structs.replace(of, sha256=hashlib.sha256(altered).hexdigest())
    with pytest.raises(ModelRefused) as caught:
        load(altered, forged, trusted_keys(settings), Definitions())
    assert caught.value.reason is Refusal.ALTERED


def test_a_machine_that_does_not_know_the_signer_refuses(settings: Settings, tmp_path: Path) -> None:
    of = published(settings)
    elsewhere = settings.model_copy(update={"keys_folder": tmp_path / "elsewhere"})
    with pytest.raises(ModelRefused) as caught:
        load(fetch(of, settings), of, trusted_keys(elsewhere), Definitions())
    assert caught.value.reason is Refusal.FOREIGN_KEY


def test_nothing_is_left_beside_the_stored_package(settings: Settings) -> None:
    of = published(settings)
    assert [file.name for file in (Path(settings.model_url) / of.version).iterdir()] == ["model.zip"]


def versions(settings: Settings, *records: ModelRecord) -> Versions:
    return Versions(settings, StillLog(standing(records)))  # type: ignore[arg-type]


class StillLog:
    """A log in which something stands and to which nothing is written."""

    def __init__(self, stands: Standing) -> None:
        self.stands = stands

    def standing(self) -> Standing:
        return self.stands


def test_an_unknown_version_is_refused_by_name(settings: Settings) -> None:
    with pytest.raises(ModelRefused, match="no model version x"):
        versions(settings).promote("x", Definitions())  # type: ignore[arg-type]


def test_without_an_earlier_champion_nothing_is_rolled_back(settings: Settings) -> None:
    of, number = published(settings), Numbering()
    for records in ([], [number(of), number(moved(of.version, "champion"))]):
        with pytest.raises(ModelRefused, match="no champion before this one"):
            versions(settings, *records).roll_back(Definitions())  # type: ignore[arg-type]
