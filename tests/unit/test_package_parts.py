"""Parts beside the model: listed with digests, under the signature; the card, the comparison, the export."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import xml.dom.minidom
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from river import compose, linear_model

import shared
from services.training.card.facts import Card, Facts, facts_of, reliability
from services.training.card.importances import permutation_importances, shapley_values
from services.training.card.pages import html, markdown
from services.training.card.parts import CARD_HTML, ENVIRONMENT, VERDICTS, environment, parts_of, pins
from services.training.card.plots import Axes, line_plot
from services.training.card.sections import sections
from services.training.comparison import differences
from services.training.examples import Examples
from services.training.export import export
from services.training.gates.evidence import Trial
from services.training.gates.groups import groups_of
from services.training.gates.verdict import Verdict
from services.training.recipe import Recipe
from shared.models import (
    Blend,
    Kind,
    Manifest,
    Model,
    ModelRefused,
    Refusal,
    River,
    listing,
    load,
    pack,
    unpack,
    unpack_parts,
)
from shared.models.bins import Bins
from tests.unit.gate_cases import POLICY, attributes, trial
from tests.unit.model_packages import (
    NAMES,
    TRUSTED,
    Definitions,
    content,
    linear,
    manifest,
    record,
    rows,
    trees,
)

VERDICT_LIST = [Verdict(gate="cost", outcome="pass", sentence="us_a_row is 9, of 150 allowed | cheap.")]
MEDIANS = np.array([0.0, 0.1, np.nan, 0.3], np.float32)
MODEL = Model(manifest("linear"), linear(), MEDIANS)


@pytest.fixture(scope="module")
def facts() -> Facts:
    made = trial(1500)
    tried = Trial(Examples(made.examples.rows, rows(1500)), made.scores)
    return facts_of(MODEL, tried, groups_of(tried.examples, attributes(), 100), POLICY)


@pytest.fixture(scope="module")
def parts(facts: Facts) -> dict[str, bytes]:
    return parts_of(manifest("linear"), Recipe(), facts, VERDICT_LIST, POLICY)


def packed(parts: dict[str, bytes], kind: Kind = "linear") -> bytes:
    return pack(listing(manifest(kind), parts), content(kind), parts)


def test_parts_are_packed_with_their_digests_and_the_model_loads(parts: dict[str, bytes]) -> None:
    package = packed(parts)
    assert unpack_parts(package) == parts
    assert set(unpack(package)[0].parts) == set(parts)
    assert load(package, record(package), TRUSTED, Definitions()).version == manifest().version
    assert packed(parts) == package


def test_a_package_without_parts_is_as_it_was(parts: dict[str, bytes]) -> None:
    assert unpack_parts(pack(manifest("linear"), content("linear"))) == {}


def test_parts_that_differ_from_the_list_are_refused(parts: dict[str, bytes]) -> None:
    listed = listing(manifest("linear"), parts)
    altered = pack(listed, content("linear"), {**parts, CARD_HTML: b"another card"})
    missing = pack(listed, content("linear"))
    unlisted = pack(manifest("linear"), content("linear"), parts)
    for package, reason in (
        (altered, Refusal.ALTERED),
        (missing, Refusal.MALFORMED),
        (unlisted, Refusal.MALFORMED),
    ):
        with pytest.raises(ModelRefused) as caught:
            unpack(package)
        assert caught.value.reason is reason


@pytest.mark.parametrize("name", ["../card.md", "a/b.json", "/etc/passwd", "card.exe", "Card.md"])
def test_a_part_may_only_have_a_plain_name(name: str) -> None:
    with pytest.raises(ModelRefused):
        unpack(packed({name: b"x"}))


def test_a_part_that_stands_twice_is_refused() -> None:
    made = BytesIO(pack(manifest("linear"), content("linear")))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(made, "a") as archive:
        archive.writestr("model.bin", b"another")
    with pytest.raises(ModelRefused, match="twice"):
        unpack(made.getvalue())


def test_shapley_values_add_up_and_are_exact_where_the_margin_is_a_sum() -> None:
    sample = rows(20)
    found = shapley_values(MODEL, sample)
    typical = MODEL.predict(MEDIANS[None])
    np.testing.assert_allclose(found.sum(axis=1), MODEL.predict(sample) - typical[0], atol=1e-12)
    alone = np.tile(MEDIANS, (1, 1))
    alone[0, 0] = 3.0  # only one feature differs: all of the distance is its own
    due = MODEL.predict(alone)[0] - typical[0]
    np.testing.assert_allclose(shapley_values(MODEL, alone)[0], [due, 0, 0, 0], atol=1e-12)


def test_the_feature_that_tells_the_frauds_matters_most_when_shuffled() -> None:
    matrix = rows(2000)
    is_fraud = np.nan_to_num(matrix[:, 2]) > 1.5
    only = Model(manifest("linear"), replace(linear(), weights=np.array([0, 0, 3.0, 0])), MEDIANS)
    found = permutation_importances(only, matrix, is_fraud)
    assert np.argmax(found) == 2
    np.testing.assert_allclose(np.delete(found, 2), 0, atol=1e-12)


def test_bins_of_calibration_expect_equally_many_frauds() -> None:
    made = trial(8000)
    bins = reliability(made.examples.is_fraud, made.scores)
    assert len(bins) == 10
    for mean, share, low, high in bins:
        assert low <= share <= high
        assert abs(mean - share) < 0.15


def test_the_card_holds_verdicts_groups_and_plots_and_needs_nothing_from_outside(facts: Facts) -> None:
    card = Card(manifest("linear"), facts, VERDICT_LIST, {"review_at": 0.3})
    page, text = html(card), markdown(card)
    for form in (page, text):
        assert manifest().version in form
        assert "cost" in form
        assert "age_band" in form
        assert "3000, of them 300 frauds" in form
        for section in sections(card):
            assert section.heading in form
    assert page.count("<svg") >= 4
    assert text.count("data:image/svg+xml;base64,") == page.count("<svg")
    assert not re.search(r'(src|href)="http', page)
    assert "allowed \\| cheap" in text


def test_plots_are_well_formed_whatever_their_names() -> None:
    points = [(0.1, 0.2, 0.1, 0.3), (0.5, 0.4, 0.3, 0.5)]
    plot = line_plot(Axes('<&" title', "x", "y"), points, is_diagonal=True)
    assert xml.dom.minidom.parseString(plot).documentElement.tagName == "svg"


def test_the_environment_pins_a_library_and_what_it_needs() -> None:
    pinned = pins(environment(["treelite"]))
    assert {"treelite", "numpy", "scipy"} <= set(pinned)
    assert "pytest" not in pinned


def test_two_versions_differ_in_what_was_changed(parts: dict[str, bytes]) -> None:
    one = manifest("linear"), parts
    other_parts = {**parts, VERDICTS: parts[VERDICTS].replace(b'"pass"', b'"fail"')}
    other: tuple[Manifest, dict[str, bytes]] = manifest("linear", version="other", rows=5), other_parts
    found = {row["what"]: (row[one[0].version], row["other"]) for row in differences(one, other)}
    assert found == {"rows": (3000, 5), "gate.cost": ("pass", "fail")}


ALONE = """
import runpy, sys
sys.path = [sys.argv[1], *(each for each in sys.path if each not in ("", sys.argv[2]))]
sys.argv = ["score.py", sys.argv[3]]
runpy.run_path(sys.path[0] + "/score.py", run_name="__main__")
"""
"""Runs the exported program where Millrace is not installed."""


def binned() -> bytes:
    """Return a pipeline of the kind that learns online."""
    model = compose.Pipeline(Bins({name: [-0.5, 0.5] for name in NAMES}), linear_model.LogisticRegression())
    for row in rows(300).tolist():
        model.learn_one({n: v for n, v in zip(NAMES, row, strict=True) if v == v}, row[0] > 0.5)
    return River(model, NAMES).to_bytes()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_an_exported_folder_scores_a_csv_as_the_service_does_bit_for_bit(kind: Kind, tmp_path: Path) -> None:
    made = {"blend": Blend([trees(), linear()]).to_bytes(), "river": binned()}
    of = made[kind] if kind in made else content(kind)
    package = pack(manifest(kind), of)
    model = load(package, record(package), TRUSTED, Definitions())
    matrix = rows(300, seed=5)
    export(package, tmp_path / "model")
    with (tmp_path / "features.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *NAMES])
        for number, row in enumerate(matrix.tolist()):
            writer.writerow([number, *("" if value != value else repr(value) for value in row)])
    root = str(Path(shared.__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "model"), root, str(tmp_path / "features.csv")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    found = [float(row["score"]) for row in csv.DictReader(ended.stdout.splitlines())]
    np.testing.assert_array_equal(found, np.clip(model.predict(matrix), 0.0, 1.0))


def test_an_export_is_whole_and_does_not_overwrite(parts: dict[str, bytes], tmp_path: Path) -> None:
    names = export(packed(parts), tmp_path / "model")
    assert {"Dockerfile", "README.md", "requirements.txt", "score.py", "card.html", "model.zip"} <= set(names)
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == names
    assert "shared" not in (tmp_path / "model" / "score.py").read_text()
    with pytest.raises(FileExistsError):
        export(packed(parts), tmp_path / "model")


def test_an_export_pins_the_libraries_that_the_model_was_made_with(
    parts: dict[str, bytes], tmp_path: Path
) -> None:
    here = pins(environment(["treelite"]))
    older = "".join(f"{name}=={'1.0.1' if name == 'numpy' else here[name]}\n" for name in here)
    export(packed({**parts, ENVIRONMENT: older.encode()}), tmp_path / "whole")
    found = pins((tmp_path / "whole" / "requirements.txt").read_text())
    assert (found["numpy"], found["treelite"]) == ("1.0.1", here["treelite"])
    alone = manifest("linear", libraries={"treelite": "0.9"})
    export(pack(alone, content("linear")), tmp_path / "alone")
    assert pins((tmp_path / "alone" / "requirements.txt").read_text())["treelite"] == "0.9"
    assert "msgspec" in found
