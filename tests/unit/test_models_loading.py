"""Packages: what is loaded is what was signed, and nothing else is loaded."""

from __future__ import annotations

import io
import zipfile
from importlib.metadata import version as installed
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.models import Kind, ModelRefused, Refusal, load, pack, unpack
from tests.unit.model_packages import (
    NAMES,
    TRUSTED,
    Definitions,
    boosted,
    content,
    manifest,
    package,
    record,
    rows,
)

FOREIGN = Ed25519PrivateKey.from_private_bytes(bytes(32))


def refusal(content: bytes, of: Any, definitions: Definitions | None = None) -> Refusal:
    with pytest.raises(ModelRefused) as caught:
        load(content, of, TRUSTED, definitions or Definitions())
    assert str(caught.value)
    return caught.value.reason


def test_a_package_has_the_same_bytes_for_the_same_content() -> None:
    assert package() == package()


def test_a_package_unpacks_to_what_was_packed() -> None:
    assert unpack(pack(manifest(), b"model")) == (manifest(), b"model")


@pytest.mark.parametrize("kind", ["trees", "linear", "river"])
def test_each_kind_of_model_loads_and_predicts(kind: Kind) -> None:
    made = package(kind)
    model = load(made, record(made), TRUSTED, Definitions())
    scores = model.predict(rows(50))
    assert model.version == manifest().version
    assert scores.shape == (50,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_medians_are_nan_where_the_feature_is_mostly_undefined() -> None:
    made = package()
    medians = load(made, record(made), TRUSTED, Definitions()).medians
    np.testing.assert_array_equal(medians, np.array([0.0, 0.1, np.nan, 0.3], np.float32))


def test_the_prior_is_corrected_for_the_genuine_payments_left_out() -> None:
    made = package()
    q = boosted().predict_proba(rows(200))[:, 1]
    by_hand = 0.1 * q / (0.1 * q + 1 - q)
    scores = load(made, record(made), TRUSTED, Definitions()).predict(rows(200))
    np.testing.assert_allclose(scores, by_hand, rtol=0, atol=1e-12)


def test_no_rows_give_no_scores() -> None:
    made = package()
    assert load(made, record(made), TRUSTED, Definitions()).predict(rows(0)).shape == (0,)


def test_an_unsigned_package_is_refused() -> None:
    made = package()
    assert refusal(made, record(made, signature=b"")) is Refusal.UNSIGNED


@pytest.mark.parametrize("at", [0, 100, -1])
def test_one_altered_byte_is_refused(at: int) -> None:
    made = package()
    altered = bytearray(made)
    altered[at] ^= 1
    assert refusal(bytes(altered), record(made)) is Refusal.ALTERED


def test_a_signature_over_other_bytes_is_refused_although_the_digest_holds() -> None:
    made, other = package(), package(author="someone else")
    assert refusal(made, record(made, signature=record(other).signature)) is Refusal.ALTERED


def test_a_key_that_is_not_trusted_is_refused() -> None:
    made = package()
    assert refusal(made, record(made, FOREIGN)) is Refusal.FOREIGN_KEY


def test_a_signer_cannot_borrow_a_trusted_fingerprint() -> None:
    made = package()
    assert refusal(made, record(made, FOREIGN, signer=record(made).signer)) is Refusal.ALTERED


def test_a_package_of_another_version_is_refused() -> None:
    made = package(version="2018-08-07-ffffffff")
    assert refusal(made, record(made)) is Refusal.ALTERED


@pytest.mark.parametrize(
    "definitions",
    [Definitions(version=2), Definitions(names=[*NAMES, "new"]), Definitions(names=NAMES[::-1])],
)
def test_other_features_than_those_served_are_refused(definitions: Definitions) -> None:
    made = package()
    assert refusal(made, record(made), definitions) is Refusal.SCHEMA_MISMATCH


def test_a_river_model_of_another_version_is_refused_before_its_pickle_is_read() -> None:
    made = pack(manifest("river", libraries={"river": "0.0.1"}), b"no pickle at all")
    assert refusal(made, record(made)) is Refusal.LIBRARY_MISMATCH


def test_trees_that_another_treelite_wrote_and_this_one_cannot_read_are_refused() -> None:
    made = pack(manifest(libraries={"treelite": "9.0.0"}), b"not trees")
    assert refusal(made, record(made)) is Refusal.LIBRARY_MISMATCH


@pytest.mark.parametrize(
    "made",
    [
        b"not an archive",
        pack(manifest(medians=[0.0]), content("trees")),
        pack(manifest(genuine_rate=0.0), content("trees")),
        pack(manifest(), b"not trees"),
        pack(manifest("linear"), b"not an npz"),
        pack(manifest("linear"), content("linear").replace(b"NUMPY", b"NUMPI")),
        pack(manifest("river", libraries={"river": installed("river")}), b"not a pickle"),
    ],
    ids=["archive", "medians", "rate", "trees", "linear", "altered linear", "river"],
)
def test_malformed_packages_are_refused_although_signed(made: bytes) -> None:
    assert refusal(made, record(made)) is Refusal.MALFORMED


def test_a_package_with_more_in_it_is_refused() -> None:
    made = io.BytesIO(package())
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("setup.py", "print('surprise')")
    assert refusal(made.getvalue(), record(made.getvalue())) is Refusal.MALFORMED


def test_a_manifest_with_unknown_fields_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("manifest.json", manifest().to_bytes().replace(b'"author"', b'"writer"'))
        archive.writestr("model.bin", content("trees"))
    assert refusal(made.getvalue(), record(made.getvalue())) is Refusal.MALFORMED


def test_a_manifest_that_is_not_utf_8_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("manifest.json", manifest().to_bytes().replace(b"tests", b"t\xffsts"))
        archive.writestr("model.bin", content("trees"))
    assert refusal(made.getvalue(), record(made.getvalue())) is Refusal.MALFORMED
