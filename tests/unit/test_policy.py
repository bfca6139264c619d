import math

import numpy as np
import pytest

import schemas
from shared.policy import Decision, Policy, PolicyError


def test_the_policy_of_the_repository_holds_its_own_rules():
    policy = Policy.load()
    assert policy.version >= 1
    assert 0 < policy.review_at <= policy.decline_at <= 1


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (0.0, Decision.APPROVE),
        (math.nextafter(0.3, 0), Decision.APPROVE),
        (0.3, Decision.REVIEW),
        (math.nextafter(0.8, 0), Decision.REVIEW),
        (0.8, Decision.DECLINE),
        (1.0, Decision.DECLINE),
        (math.nan, Decision.UNSCORED),
    ],
)
def test_a_threshold_belongs_to_the_graver_decision(score, decision):
    assert Policy(1, 0.3, 0.8).decide(np.array([score])).tolist() == [decision]


def test_equal_thresholds_leave_nothing_to_review():
    codes = Policy(1, 0.5, 0.5).decide(np.linspace(0, 1, 101))
    assert set(codes.tolist()) == {Decision.APPROVE, Decision.DECLINE}


def test_no_scores_give_no_decisions():
    assert Policy(1, 0.3, 0.8).decide(np.empty(0)).shape == (0,)


def test_codes_are_the_places_of_the_symbols_in_the_schema_of_scores():
    fields = {field["name"]: field["type"] for field in schemas.avro("scores.v1")["fields"]}
    assert [decision.symbol for decision in Decision] == fields["decision"]["symbols"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"version": 1, "review_at": 0.8, "decline_at": 0.3}, "review_at <= decline_at"),
        ({"version": 1, "review_at": 0.0, "decline_at": 0.3}, "0 < review_at"),
        ({"version": 1, "review_at": 0.3, "decline_at": 1.1}, "decline_at <= 1"),
        ({"version": 1, "review_at": math.nan, "decline_at": 0.8}, "review_at"),
        ({"version": 0, "review_at": 0.3, "decline_at": 0.8}, "version must be a whole number"),
        ({"version": True, "review_at": 0.3, "decline_at": 0.8}, "version must be a whole number"),
        ({"version": 1, "review_at": "0.3", "decline_at": 0.8}, "review_at must be a number"),
        ({"version": 1, "review_at": 0.3}, "must hold version, review_at, decline_at"),
        ({"version": 1, "review_at": 0.3, "decline_at": 0.8, "declin_at": 1}, "declin_at"),
    ],
)
def test_a_policy_that_cannot_be_says_what_to_change(content, complaint):
    with pytest.raises(PolicyError, match=complaint):
        Policy.load(content)
