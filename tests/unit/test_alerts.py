"""Alerts of scores: which, with what reasons, in which order."""

from __future__ import annotations

import numpy as np
import pytest

from services.alerts.models import VersionedModels
from services.alerts.reasons import ReasonsFailure, effects, reasons
from services.alerts.reports import Reports
from services.alerts.stage import AlertsStage
from services.scoring.scores import Scored, appended
from shared import wire
from shared.models import ModelRecord
from shared.policy import Policy
from shared.telemetry import Telemetry
from tests.unit.model_packages import package, record
from tests.unit.scoring_samples import FEATURES, batch_of, features, payments, wide_model

POLICY = Policy(1, 0.3, 0.8)
MATRIX = features(200)


class Shelf:
    """Models by version."""

    def __init__(self, *models):
        self.models = {model.version: model for model in models}

    def model(self, version):
        return self.models.get(version)


def scores_of(model, matrix=MATRIX, first=0):
    """Records of scores.v1 as scoring makes them."""
    found = model.predict(matrix)
    block = appended(
        Scored(found, model.version), POLICY.decide(found), Scored(found * np.nan, None), POLICY.version
    )
    return payments(matrix, first).grow("scores.v1", block)


def stage(*models, max_reasons=5):
    telemetry = Telemetry("alerts")
    return AlertsStage(Shelf(*models), FEATURES, max_reasons, Reports(telemetry)), telemetry


def alerts(outgoing):
    return [wire.decode(value, "alerts.v1") for each in outgoing for value in each.values]


def by_one_prediction_each(model, row, limit):
    """Plain second computation: one prediction a feature, sorted by effect."""
    whole = float(model.predict(row[None, :])[0])
    found = []
    for place, name in enumerate(model.names):
        changed = row.copy()
        changed[place] = model.medians[place]
        found.append((name, whole - float(model.predict(changed[None, :])[0])))
    return sorted((each for each in found if each[1] > 0), key=lambda each: -each[1])[:limit]


def test_reasons_are_those_of_a_plain_second_computation():
    model = wide_model("a")
    found = alerts(stage(model)[0].process(batch_of("scores.v1", scores_of(model))))
    assert len(found) > 20
    for alert in found:
        row = MATRIX[int(alert["transaction_id"][1:])]
        plain = by_one_prediction_each(model, row, 5)
        assert [(each["feature"], each["effect"]) for each in alert["reasons"]] == plain


def test_only_review_and_decline_become_alerts_in_their_order():
    model = wide_model("a")
    values = scores_of(model)
    (outgoing,) = stage(model)[0].process(batch_of("scores.v1", values, first=1000))
    decided = [wire.decode(value, "scores.v1") for value in values]
    due = [at for at, each in enumerate(decided) if each["decision"] in ("review", "decline")]
    found = alerts([outgoing])
    assert 0 < len(due) < len(values)
    assert [each["source"] for each in found] == [wire.source_bytes(1, 1000 + at) for at in due]
    assert outgoing.keys == [decided[at]["customer_id"].encode() for at in due]
    for at, alert in zip(due, found, strict=True):
        for name in ("score", "decision", "amount", "event_time", "accepted_at", "model_version"):
            assert alert[name] == decided[at][name]


def test_a_batch_without_a_flag_gives_nothing():
    model = wide_model("a")
    quiet = Policy(1, 1.0, 1.0).decide(model.predict(MATRIX))
    nobody = Scored(np.full(len(MATRIX), np.nan), None)
    values = payments(MATRIX).grow("scores.v1", appended(nobody, 0 * quiet, nobody, 1))
    assert stage(model)[0].process(batch_of("scores.v1", values)) == []


def test_each_payment_is_explained_by_the_model_that_scored_it():
    old, new = wide_model("old", 1), wide_model("new", 2)
    values = [value for pair in zip(scores_of(old), scores_of(new), strict=True) for value in pair]
    for alert in alerts(stage(old, new)[0].process(batch_of("scores.v1", values))):
        model = {"old": old, "new": new}[alert["model_version"]]
        plain = by_one_prediction_each(model, MATRIX[int(alert["transaction_id"][1:])], 5)
        assert [(each["feature"], each["effect"]) for each in alert["reasons"]] == plain


def test_alerts_are_the_same_bytes_however_scores_are_batched():
    model = wide_model("a")
    values = scores_of(model)
    (whole,) = stage(model)[0].process(batch_of("scores.v1", values))
    parts, _ = stage(model)
    singles = [parts.process(batch_of("scores.v1", [value], at)) for at, value in enumerate(values)]
    assert whole.values == [value for each in singles for one in each for value in one.values]


def test_without_its_model_an_alert_goes_out_without_reasons_and_is_counted():
    known, lost = wide_model("known", 1), wide_model("lost", 2)
    made, telemetry = stage(known)
    found = alerts(made.process(batch_of("scores.v1", scores_of(known) + scores_of(lost))))
    bare = [each for each in found if each["model_version"] == "lost"]
    assert bare
    assert all(bool(each["reasons"]) is (each["model_version"] == "known") for each in found)
    assert telemetry.registry.get_sample_value("millrace_alerts_unexplained_total") == len(bare)


def test_a_model_that_fails_leaves_alerts_without_reasons():
    class Failing:
        names, medians, version = FEATURES.names, np.ones(len(FEATURES.names), np.float32), "a"

        def predict(self, matrix):
            raise ValueError("broken")

    values = scores_of(wide_model("a"))
    found = alerts(stage(Failing())[0].process(batch_of("scores.v1", values)))
    assert found
    assert {len(each["reasons"]) for each in found} == {0}


def test_a_value_that_is_typical_has_no_effect_and_is_not_predicted():
    model = wide_model("a")
    row = model.medians[None, :].copy()
    assert effects(model, row, model.predict(row)).tolist() == [[0.0] * len(model.names)]


def test_reasons_are_the_largest_falls_and_equal_ones_keep_the_order_of_the_features():
    model = wide_model("a")
    falls = np.zeros(len(model.names))
    falls[[2, 5, 7, 9]] = [0.1, 0.4, 0.1, -0.5]
    row = features(1)[0]
    row[5] = np.nan
    found = reasons(model, row, falls, 3)
    assert [each["feature"] for each in found] == [model.names[place] for place in (5, 2, 7)]
    assert found[0] == {
        "feature": model.names[5],
        "value": None,
        "typical": float(model.medians[5]),
        "effect": 0.4,
    }
    assert len(reasons(model, row, falls, 2)) == 2


def test_a_prediction_that_is_no_number_is_a_failure():
    class Undefined:
        names, medians = FEATURES.names, np.ones(len(FEATURES.names), np.float32)

        def predict(self, matrix):
            return np.full(len(matrix), np.nan)

    with pytest.raises(ReasonsFailure, match="no probability"):
        effects(Undefined(), MATRIX[:1], np.array([0.5]))


class Topic:
    """A models topic and its packages, in memory."""

    def __init__(self):
        self.records: list[ModelRecord] = []
        self.reads = 0

    def read(self):
        self.reads += 1
        return list(self.records)

    def model(self, record):
        return record.version  # stands for what the store loads


def test_a_version_not_read_yet_is_looked_for_once_at_the_end_of_the_topic():
    topic = Topic()
    models = VersionedModels(topic.read, topic)
    models.start()
    topic.records.append(record(package("linear"), version="late", sequence=1))
    assert [models.model("late") for _ in range(3)] == ["late"] * 3
    assert topic.reads == 2


def test_a_version_that_is_not_in_the_topic_is_looked_for_only_once():
    topic = Topic()
    models = VersionedModels(topic.read, topic)
    assert [models.model("none") for _ in range(3)] == [None] * 3
    assert topic.reads == 1
