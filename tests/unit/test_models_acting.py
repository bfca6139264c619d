"""Acting models: swapped as a pair; a refused one leaves the one before it acting."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from shared.models import (
    ActingModels,
    ModelRecord,
    ModelRefused,
    Refusal,
    Status,
    fingerprint,
    sign,
    signing_key,
    trusted_keys,
)
from shared.models.acting import ModelStore
from shared.settings import Settings, SettingsError
from tests.unit.model_packages import Definitions, Numbering, moved, package, record


class Shop:
    """Publishes packages into memory; notes what was refused."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(model_url=f"memory://{folder.name}", keys_folder=folder)
        self.key = signing_key(self.settings)
        self.refused: list[tuple[str, Refusal]] = []
        self.number = Numbering()
        self.models = ActingModels(self.settings, Definitions(), self.note)

    def note(self, record: ModelRecord, refused: ModelRefused) -> None:
        self.refused.append((record.version, refused.reason))

    def publish(self, version: str, status: Status = "champion", stored: bool = True) -> list[ModelRecord]:
        made = package("linear", version=version)
        if stored:
            self.store(version, made)
        of = record(made, self.key, version=version, package=f"{version}.zip")
        return [self.number(of), self.number(moved(version, status))]

    def store(self, version: str, content: bytes) -> None:
        files, root = fsspec.core.url_to_fs(self.settings.model_url)
        files.pipe_file(f"{root}/{version}.zip", content)

    def acting(self) -> tuple[str | None, ...]:
        return tuple(model.version if model else None for model in self.models.current()[:2])


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_before_the_first_model_nothing_acts(shop: Shop) -> None:
    assert shop.acting() == (None, None)


def test_champion_and_challenger_are_swapped_as_their_events_come(shop: Shop) -> None:
    shop.models.take([*shop.publish("a"), *shop.publish("b", "shadow")])
    assert shop.acting() == ("a", "b")
    shop.models.take([shop.number(moved("b", "champion"))])
    assert shop.acting() == ("b", "a")
    shop.models.take([shop.number(moved("b", "rolled_back"))])
    assert shop.acting() == ("a", None)


def test_a_refused_champion_is_told_once_and_the_old_one_goes_on(shop: Shop) -> None:
    shop.models.take([*shop.publish("a"), *shop.publish("b")])
    altered = record(package("linear", version="x"), version="x", package="b.zip")
    shop.models.take([shop.number(altered), shop.number(moved("x", "champion"))])
    assert shop.acting() == ("b", None)  # b is the challenger too: it scores once
    shop.models.take(shop.publish("c", "shadow"))
    assert shop.acting() == ("b", None)
    assert shop.refused == [("x", Refusal.ALTERED)]


def test_a_process_that_starts_anew_passes_over_the_refused_one_too(shop: Shop) -> None:
    shop.store("x", package("linear", version="x"))
    foreign = record(package("linear", version="x"), version="x", package="x.zip")
    shop.models.take([*shop.publish("a"), shop.number(foreign), shop.number(moved("x", "champion"))])
    assert shop.acting() == ("a", None)
    assert shop.refused == [("x", Refusal.FOREIGN_KEY)]


def test_a_package_that_comes_late_is_taken_when_it_is_there(shop: Shop) -> None:
    shop.models.take(shop.publish("a", stored=False))
    shop.models.take([])
    assert shop.acting() == (None, None)
    shop.store("a", package("linear", version="a"))
    shop.models.take([])
    assert shop.acting() == ("a", None)
    assert shop.refused == [("a", Refusal.ABSENT)]


def test_a_version_is_the_bytes_under_which_it_was_published_first(shop: Shop) -> None:
    shop.models.take(shop.publish("a"))
    other = package("linear", version="a", author="another")
    shop.store("other", other)
    again = record(other, shop.key, version="a", package="other.zip")
    shop.models.take([shop.number(again), *shop.publish("b", "shadow")])
    champion, challenger, _ = shop.models.current()
    assert champion is not None
    assert champion.manifest.author == "tests"
    assert challenger is not None


def test_more_versions_than_are_kept_can_be_had(shop: Shop) -> None:
    store = ModelStore(shop.settings, Definitions(), shop.note)
    records = [shop.publish(each)[0] for each in "abcdefghijkl"]
    found = [store.model(each) for each in [*records, *records]]
    assert [each.version for each in found if each is not None] == list("abcdefghijkl" * 2)


def test_the_signing_key_is_made_once_and_trusted_here(tmp_path: Path) -> None:
    settings = Settings(keys_folder=tmp_path / "keys")
    key = signing_key(settings)
    assert signing_key(settings).private_bytes_raw() == key.private_bytes_raw()
    assert list(trusted_keys(settings)) == [fingerprint(key.public_key())] == [sign(b"", key)[1]]
    assert (tmp_path / "keys" / "model_signing.key").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.pub").write_text("not a key")
    with pytest.raises(SettingsError, match=r"other\.pub"):
        trusted_keys(Settings(keys_folder=tmp_path))
