"""How models move: each status with the evidence that moves it on, out, or not at all."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from services.training.gates.verdict import Verdict
from services.training.health import Beside, Health, Healths
from services.training.paired import Comparison, compared, scored_by_both
from services.training.rollout import Evidence, moves, pair, publication_numbers
from services.training.split import DAY
from services.training.steering import Steering
from shared.features import definitions
from shared.models import ModelRecord, Move, Standing, events, standing
from shared.models.appending import append
from shared.policy import GuardsPolicy, PolicyError, RolloutPolicy
from tests.unit.model_packages import Numbering, moved

POLICY = RolloutPolicy.load()
WELL = Health(payments=5000, seconds=0.05, flagged=50, flagged_by_champion=50)
NOW = 100 * DAY


def published(version: str, **numbers: object) -> ModelRecord:
    text = msgspec.json.encode({"is_accepted": True} | numbers).decode()
    return moved(version, "published", numbers=text)


def stands(*of: ModelRecord) -> Standing:
    number = Numbering()
    return standing(number(each) for each in of)


FIRST = (published("old"), moved("old", "champion"))
SHADOW = (*FIRST, published("new"), moved("new", "shadow", event_time=80 * DAY))
CANARY = (*SHADOW, moved("new", "canary", event_time=90 * DAY))
PROMOTED = (*CANARY, moved("new", "champion", event_time=90 * DAY))


def evidence(low: float | None, high: float | None, health: Health = WELL) -> Evidence:
    gain = None if low is None or high is None else (low + high) / 2
    return Evidence(Comparison("new", "old", 5000, 80, gain, low, high), health)


def move(of: Standing, known: Evidence = Evidence(), now: int = NOW) -> list[tuple[str, str]]:  # noqa: B008
    return [(each.version, each.status) for each in moves(of, known, POLICY, now)]


def test_the_first_accepted_version_is_champion_at_once() -> None:
    assert move(stands(published("a"))) == [("a", "champion")]


def test_a_version_without_a_verdict_waits_for_a_person() -> None:
    assert move(stands(moved("a", "published"))) == []


def test_a_version_that_failed_its_gates_is_rejected() -> None:
    assert move(stands(*FIRST, published("b", is_accepted=False))) == [("b", "rejected")]


def test_a_rejection_tells_which_gates_failed_and_by_which_numbers() -> None:
    verdicts = [
        Verdict(gate="cost", outcome="fail", sentence="It is slow.", value=210.0, limit=150.0),
        Verdict(gate="privacy", outcome="pass", sentence="It holds no id.", value=0.0, limit=0.0),
    ]
    made = moved("b", "published", numbers=publication_numbers(verdicts, is_urgent=False))
    (found,) = moves(stands(*FIRST, made), Evidence(), POLICY, NOW)
    assert found.numbers["failed"] == {"cost": {"value": 210.0, "limit": 150.0}}


def test_the_newest_of_those_that_wait_comes_to_shadow_and_the_others_retire() -> None:
    of = stands(*FIRST, published("b"), published("c"))
    assert move(of) == [("b", "retired"), ("c", "shadow")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.01, 0.03, "canary"),
        (0.01, 0.03, "canary"),
        (-0.09, -0.03, "rejected"),
        (-0.05, 0.05, None),
        (-0.009, 0.003, None),
        (-0.009, 0.012, "canary"),
        (None, None, None),
    ],
)
def test_a_shadow_moves_by_what_its_matured_labels_say(low, high, expected) -> None:
    assert move(stands(*SHADOW), evidence(low, high)) == ([("new", expected)] if expected else [])


def test_with_no_share_for_a_canary_a_shadow_becomes_champion() -> None:
    policy = msgspec.structs.replace(POLICY, canary_share=0.0)
    assert [each.status for each in moves(stands(*SHADOW), evidence(0, 0.1), policy, NOW)] == ["champion"]


@pytest.mark.parametrize(
    "health",
    [
        replace(WELL, failures=1),
        replace(WELL, is_refused=True),
        replace(WELL, seconds=5000 * 1e-6 * (POLICY.most_us_a_payment + 1)),
    ],
)
def test_a_version_that_fails_or_is_slow_goes_whatever_its_labels_say(health) -> None:
    assert move(stands(*SHADOW), evidence(0.1, 0.2, health)) == [("new", "rejected")]
    assert move(stands(*CANARY), evidence(0.1, 0.2, health)) == [("new", "rolled_back")]


def test_a_shadow_that_flags_far_more_moves_on_only_where_labels_say_that_it_is_better() -> None:
    odd = replace(WELL, flagged=500)
    assert move(stands(*SHADOW), evidence(-0.01, 0.01, odd)) == []
    assert move(stands(*SHADOW), evidence(0.01, 0.03, odd)) == [("new", "canary")]
    assert move(stands(*CANARY), evidence(-0.01, 0.01, odd)) == [("new", "rolled_back")]


def test_a_shadow_that_has_scored_few_payments_waits() -> None:
    assert move(stands(*SHADOW), evidence(0.01, 0.03, Health(payments=10))) == []


def test_time_limits_end_what_the_evidence_leaves_open() -> None:
    late = 80 * DAY + int(POLICY.shadow.most_days * DAY)
    assert move(stands(*SHADOW), evidence(None, None), late) == [("new", "rejected")]
    assert move(stands(*SHADOW), evidence(-0.05, 0.05), late) == [("new", "canary")]
    assert move(stands(*SHADOW), evidence(-0.09, 0.01), late) == [("new", "rejected")]


def test_a_canary_becomes_champion_after_its_days_and_is_taken_back_when_worse() -> None:
    assert move(stands(*CANARY), evidence(0.0, 0.1), 91 * DAY) == []
    assert move(stands(*CANARY), evidence(0.0, 0.1), 92 * DAY) == [("new", "champion")]
    assert move(stands(*CANARY), evidence(-0.2, -0.1), 91 * DAY) == [("new", "rolled_back")]


def test_a_promoted_version_that_is_worse_is_taken_back_and_one_that_holds_ends_its_probation() -> None:
    of = stands(*PROMOTED)
    assert pair(of) == ("new", "old")
    assert move(of, evidence(-0.2, -0.1)) == [("new", "rolled_back")]
    assert move(of, evidence(-0.01, 0.1)) == [("old", "retired")]
    assert move(of, evidence(-0.1, 0.1)) == []
    assert move(of, evidence(None, None), 90 * DAY + int(POLICY.probation.most_days * DAY)) == [
        ("old", "retired")
    ]


def test_a_champion_that_scoring_refuses_is_taken_back_or_where_none_can_come_again_replaced() -> None:
    refused = Evidence(refused=frozenset(("new",)))
    assert move(stands(*PROMOTED), refused) == [("new", "rolled_back")]
    both = Evidence(refused=frozenset(("old", "new")))
    assert move(stands(*PROMOTED), both) == [], "the one before it would not be loaded either"
    assert move(stands(*PROMOTED, published("b")), both) == [("b", "champion")]
    first = Evidence(refused=frozenset(("old",)))
    assert move(stands(*FIRST), first) == []
    assert move(stands(*FIRST, published("b")), first) == [("b", "champion")]
    assert move(stands(*SHADOW, published("b")), first) == [("new", "champion")]


def test_a_predecessor_that_scoring_refuses_ends_the_probation() -> None:
    assert move(stands(*PROMOTED), Evidence(refused=frozenset(("old",)))) == [("old", "retired")]


def test_a_version_waits_for_the_pair_under_way_unless_an_alarm_asked_for_it() -> None:
    assert move(stands(*SHADOW, published("c")), evidence(-0.05, 0.05)) == []
    urgent = published("c", is_urgent=True)
    assert move(stands(*SHADOW, urgent), evidence(-0.05, 0.05)) == [("new", "retired"), ("c", "shadow")]
    proven = (*CANARY, moved("new", "champion", event_time=90 * DAY, numbers='{"gain": 0.02}'))
    assert move(stands(*proven, urgent), evidence(-0.05, 0.05)) == [("old", "retired"), ("c", "shadow")]
    assert move(stands(*PROMOTED, urgent), evidence(-0.05, 0.05)) == []
    assert move(stands(*PROMOTED, urgent), evidence(-0.2, -0.1)) == [("new", "rolled_back")]
    assert move(stands(*CANARY, urgent), evidence(-0.05, 0.05)) == []


def test_evidence_of_another_pair_counts_for_nothing() -> None:
    other = Evidence(Comparison("x", "old", 5000, 80, -0.5, -0.6, -0.4), WELL)
    assert move(stands(*SHADOW), other) == []


def test_frozen_nothing_moves() -> None:
    of = stands(*PROMOTED, published("c"), moved("", "frozen"))
    assert move(of, evidence(-0.2, -0.1)) == []


GAINS = st.one_of(st.none(), st.floats(-0.3, 0.3))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["publish", "urgent", "bad", "look", "freeze", "thaw"]), GAINS, st.booleans()
        ),
        max_size=40,
    )
)
def test_whatever_the_evidence_each_move_is_allowed_and_looking_ends(steps) -> None:
    log = Log()
    for day, (what, gain, has_failed) in enumerate(steps):
        log.play(what, day, gain, has_failed)
        found = standing(log.records)
        assert len(found.at("champion")) <= 1
        assert len(found.at("shadow")) + len(found.at("canary")) <= 1
    assert events(log.records) == log.records


class Log:
    """An in-memory log that training steers."""

    def __init__(self) -> None:
        self.records: list[ModelRecord] = []

    def catch_up(self) -> list[ModelRecord]:
        return self.records

    def write(self, record: ModelRecord) -> None:
        self.records.append(record)

    def append(self, decide) -> ModelRecord | None:
        return append(self, Standing(), decide)[1]

    def play(self, what: str, day: int, gain: float | None, has_failed: bool) -> None:
        made = {
            "publish": published(f"v{day}"),
            "urgent": published(f"v{day}", is_urgent=True),
            "bad": published(f"v{day}", is_accepted=False),
        }.get(what)
        if made is not None:
            self.append(lambda found: made)
        elif what in ("freeze", "thaw"):
            is_wanted = standing(self.records).is_frozen is (what == "thaw")
            switch = moved("", "frozen" if what == "freeze" else "thawed")
            self.append(lambda found: switch if is_wanted else None)
        health = replace(WELL, failures=int(has_failed))
        for _ in range(10 + len(self.records)):
            if self.append(lambda found: self.due(found, gain, health, day * DAY)) is None:
                return
        raise AssertionError("moves without end")

    def due(self, found: Standing, gain: float | None, health: Health, now: int) -> ModelRecord | None:
        both = pair(found)
        known = None if gain is None else (gain, gain - 0.01, gain + 0.01)
        comparison = Comparison(*both, 5000, 80, *(known or ())) if both else None
        wanted: list[Move] = moves(found, Evidence(comparison, health), POLICY, now)
        return wanted[0].record("training", now) if wanted else None


def rows(count: int = 4000, seed: int = 0) -> pl.DataFrame:
    """Payments of which one in twenty is a fraud; `good` ranks them well, `bad` at random."""
    draw = np.random.default_rng(seed)
    is_fraud = draw.random(count) < 0.05
    good = np.clip(0.5 * is_fraud + draw.normal(0.3, 0.15, count), 0, 1)
    bad = draw.random(count)
    acted = draw.random(count) < 0.5  # as by a canary: either may have acted
    return pl.DataFrame(
        {
            "event_time": np.arange(count) * DAY // 200,
            "customer_id": [f"c{number % 300}" for number in range(count)],
            "is_fraud": is_fraud,
            "score": np.where(acted, good, bad),
            "challenger_score": np.where(acted, bad, good),
            "model_version": np.where(acted, "good", "bad"),
            "challenger_version": np.where(acted, "bad", "good"),
        }
    )


def test_payments_are_paired_whichever_version_acted() -> None:
    found = scored_by_both(rows(), "good", "bad")
    assert found.height == 4000
    assert found.filter("is_fraud")["newer"].mean() > 0.7
    assert scored_by_both(rows(), "good", "other").height == 0


def test_a_worse_version_is_found_worse_and_the_figures_come_again() -> None:
    first, again = (compared(rows(), "bad", "good", POLICY.comparison) for _ in range(2))
    assert first == again
    assert first.high is not None
    assert first.high < -0.3
    better = compared(rows(), "good", "bad", POLICY.comparison)
    assert better.gain == -first.gain
    assert compared(rows(100), "bad", "good", POLICY.comparison).gain is None


def test_steering_takes_a_worse_champion_back_and_starts_again_where_the_log_ends() -> None:
    log = Log()
    for each in (published("good"), moved("good", "champion"), published("bad"), moved("bad", "champion")):
        log.append(lambda found, each=each: each)
    table = rows()
    steering = Steering(table, Healths(), definitions(), POLICY, 20 * DAY)
    (made,) = steering.steer(log)
    assert (made.version, made.status, made.who, made.event_time) == (
        "bad",
        "rolled_back",
        "training",
        20 * DAY,
    )
    assert msgspec.json.decode(made.numbers)["gain_high"] < 0
    assert standing(log.records).champion.version == "good"
    assert Steering(table, Healths(), definitions(), POLICY, 20 * DAY).steer(log) == []


def test_health_sums_what_scoring_tells() -> None:
    class Signal(msgspec.Struct):
        signal: str
        model_version: str | None
        detail: str

    detail = msgspec.json.encode(Beside(100, 0.5, 3, 1)).decode()
    told = [
        Signal("model-beside", "a", detail),
        Signal("model-beside", "a", detail),
        Signal("model-failed", "b", "it broke"),
        Signal("drift", None, ""),
        Signal("model-refused", "c", "schema_mismatch: of other features than that service has"),
        Signal("model-refused", "d", "altered: the signature does not hold"),
    ]
    found = Healths().heard(told[:1]).heard(told[1:])
    assert found.of("a") == Health(0, 200, 1.0, 6, 2)
    assert (found.of("a").us_a_payment, found.of("a").flagged_ratio) == (5000.0, 7 / 3)
    assert found.of("b").failures == 1
    assert found.of("c") == Health(), "another scoring service may load it"
    assert found.refused == {"d"}


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("rollout", "canary_share", 1.5),
        ("rollout", "canary_shar", 0.5),
        ("guards", "declines_per_hour", 0),
        ("guards", "flood", 3),
    ],
)
def test_a_bound_that_cannot_be_is_named(table, name, value) -> None:
    content = schemas.toml("policy")
    changed = content | {table: content[table] | {name: value}}
    kind = RolloutPolicy if table == "rollout" else GuardsPolicy
    with pytest.raises(PolicyError, match=rf"\[{table}\].*{name}"):
        kind.load(changed)
