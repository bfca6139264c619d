"""The models topic: which version acts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models import ModelRecord, ModelRefused, Refusal, Status, acting, fetch, newest
from shared.settings import Settings
from tests.unit.model_packages import package, record

PUBLISHED = record(package())


def entry(version: str, status: Status) -> ModelRecord:
    return msgspec.structs.replace(PUBLISHED, status=status, version=version)


def versions(*records: ModelRecord) -> tuple[str | None, ...]:
    return tuple(found.version if found else None for found in acting(records))


def test_no_model_acts_before_one_is_published() -> None:
    assert versions() == (None, None)
    assert versions(entry("a", "candidate")) == (None, None)


def test_the_newest_champion_and_challenger_act() -> None:
    assert versions(entry("a", "champion"), entry("b", "champion"), entry("c", "challenger")) == ("b", "c")


def test_a_challenger_that_was_promoted_or_retired_challenges_no_more() -> None:
    assert versions(entry("a", "challenger"), entry("a", "champion")) == ("a", None)
    assert versions(entry("a", "challenger"), entry("a", "retired")) == (None, None)


def test_a_champion_promoted_again_acts_again() -> None:
    assert versions(entry("a", "champion"), entry("b", "champion"), entry("a", "champion")) == ("a", None)


def test_a_retired_champion_leaves_the_one_before_it_acting() -> None:
    assert versions(entry("a", "champion"), entry("b", "champion"), entry("b", "retired")) == ("a", None)


STATUSES: list[Status] = ["candidate", "challenger", "champion", "retired", "refused"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STATUSES)), max_size=12))
def test_compaction_does_not_change_what_acts(log: list[tuple[str, Status]]) -> None:
    records = [entry(version, status) for version, status in log]
    assert acting(newest(records).values()) == acting(records)


def test_a_record_survives_the_wire() -> None:
    assert ModelRecord.from_bytes(entry("a", "champion").to_bytes()) == entry("a", "champion")


@pytest.mark.parametrize("path", ["../keys/model.zip", "/etc/passwd", "a/../../b", ""])
def test_a_path_that_leads_out_of_the_models_folder_is_refused(path: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        fetch(msgspec.structs.replace(PUBLISHED, package=path), Settings(model_url="memory://models"))
    assert caught.value.reason is Refusal.MALFORMED


def test_an_absent_package_is_refused_as_such() -> None:
    with pytest.raises(ModelRefused) as caught:
        fetch(
            msgspec.structs.replace(PUBLISHED, package="nowhere/model.zip"),
            Settings(model_url="memory://models"),
        )
    assert caught.value.reason is Refusal.ABSENT
