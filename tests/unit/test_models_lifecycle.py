"""The life of model versions: which moves there are, and what stands after them."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models import ModelRecord, ModelRefused, Refusal, Status, events, fetch, standing
from shared.models.lifecycle import ENDS, MOVES, SWITCHES, Move, Standing
from shared.settings import Settings
from tests.unit.model_packages import Numbering, moved, package, record

PUBLISHED = record(package())
STATUSES = [*get_args(Status), *sorted(SWITCHES)]


def log(*words: str) -> list[ModelRecord]:
    """Events of "version status" or "frozen"."""
    number, found = Numbering(), []
    for each in words:
        version, _, status = each.rpartition(" ")
        found.append(number(moved(version, status)))  # type: ignore[arg-type]
    return found


def after(*words: str) -> Standing:
    return standing(log(*words))


def statuses(stands: Standing) -> dict[str, str]:
    return {version: each.status for version, each in stands.versions.items()}


def roles(stands: Standing) -> tuple[str | None, ...]:
    return tuple(each.version if each else None for each in (stands.champion, stands.challenger))


def test_no_model_acts_before_one_is_champion() -> None:
    assert roles(after()) == roles(after("a published")) == (None, None)


def test_the_whole_way() -> None:
    way = ["a published", "a champion", "b published", "b shadow", "b canary", "b champion", "a retired"]
    pairs = [roles(after(*way[:end])) for end in range(1, len(way) + 1)]
    expected = [(None, None), ("a", None), ("a", None), ("a", "b"), ("a", "b"), ("b", "a"), ("b", None)]
    assert pairs == expected
    assert after(*way[:-1]).is_on_probation
    assert not after(*way).is_on_probation


def test_a_champion_that_is_taken_back_leaves_the_one_before_it_acting_and_never_returns() -> None:
    way = ["a published", "a champion", "b published", "b champion", "b rolled_back", "b champion"]
    assert statuses(after(*way)) == {"a": "champion", "b": "rolled_back"}


def test_a_third_champion_ends_the_probation_of_the_second() -> None:
    stands = after(
        "a published", "a champion", "b published", "b champion", "c published", "c champion", "c rolled_back"
    )
    assert statuses(stands) == {"a": "retired", "b": "champion", "c": "rolled_back"}
    assert stands.line == ("a", "b")


def test_a_retired_champion_can_be_made_champion_again() -> None:
    stands = after("a published", "a champion", "b published", "b champion", "a retired", "a champion")
    assert statuses(stands) == {"a": "champion", "b": "shadow"}
    assert stands.line == ("b", "a")


def test_there_is_one_canary_and_none_without_a_champion() -> None:
    assert after("a published", "a shadow", "a canary").status("a") == "shadow"
    stands = after(
        "a published",
        "a champion",
        "b published",
        "b shadow",
        "b canary",
        "c published",
        "c shadow",
        "c canary",
    )
    assert statuses(stands) == {"a": "champion", "b": "canary", "c": "shadow"}
    assert roles(stands) == ("a", "b")


def test_the_only_champion_is_not_taken_back() -> None:
    assert statuses(after("a published", "a champion", "a rolled_back")) == {"a": "champion"}


def test_a_rejected_predecessor_never_acts_again() -> None:
    stands = after("a published", "a champion", "b published", "b champion", "a rejected", "b rolled_back")
    assert statuses(stands) == {"a": "rejected", "b": "champion"}


def test_the_roll_out_is_frozen_and_thawed() -> None:
    assert after("frozen").is_frozen
    assert not after("frozen", "thawed").is_frozen
    assert [each.status for each in events(log("frozen", "frozen", "thawed", "thawed"))] == [
        "frozen",
        "thawed",
    ]


def test_the_first_record_of_each_number_is_the_event() -> None:
    first, second, third = log("a published", "a champion", "a rolled_back")
    late = msgspec.structs.replace(third, sequence=2, status="rejected")
    early = msgspec.structs.replace(third, sequence=9)
    assert events([first, early, second, late, first]) == [first, second]


SOME = st.tuples(st.integers(0, 3), st.sampled_from(["", "a", "b", "c"]), st.sampled_from(STATUSES))


@given(st.lists(SOME, max_size=40))
def test_whatever_is_written_there_is_one_champion_at_most_and_ends_are_ends(
    written: list[tuple[int, str, str]],
) -> None:
    stands, last = Standing(), 0
    for step, version, status in written:
        last = max(last, stands.sequence)
        before = stands
        record = moved(version, status, sequence=stands.sequence + step)  # type: ignore[arg-type]
        stands = standing([record], stands)
        assert len(stands.at("champion")) <= 1
        assert len(stands.at("canary")) <= 1
        assert (stands.champion is None) == (not stands.at("champion"))
        assert before.champion is None or stands.champion is not None
        assert all(stands.status(each) not in (*ENDS, "published", "canary", None) for each in stands.line)
        for version, each in before.versions.items():
            if each.status in ENDS:
                assert stands.status(version) == each.status


@given(st.lists(SOME, max_size=30), st.integers(0, 30))
def test_a_log_read_in_two_parts_is_the_log(written: list[tuple[int, str, str]], cut: int) -> None:
    records = [moved(version, status, sequence=number) for number, version, status in written]  # type: ignore[arg-type]
    assert standing(records[cut:], standing(records[:cut])) == standing(records)


def test_only_rejected_and_rolled_back_are_ends() -> None:
    assert set(MOVES) == {None, *get_args(Status)}
    assert {"rejected", "rolled_back"} == ENDS


def test_an_event_says_by_which_figures() -> None:
    made = Move("a", "champion", "better", {"gain": 0.02, "days": 7}).record("training", 5)
    assert (made.numbers, made.who, made.event_time) == ('{"days": 7, "gain": 0.02}', "training", 5)


def test_a_record_survives_the_wire() -> None:
    assert ModelRecord.from_bytes(PUBLISHED.to_bytes()) == PUBLISHED


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
