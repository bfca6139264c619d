"""Scores, decisions and their bytes; payments in, records of scores.v1 out."""

from __future__ import annotations

import numpy as np
import pytest

from services.scoring.blocks import FeatureBlocks
from services.scoring.reports import Reports
from services.scoring.scores import ModelFailure, Scored, appended, scored
from services.scoring.stage import Rules, ScoringStage
from shared import wire
from shared.models import ModelRefused, Refusal
from shared.policy import Policy
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.wire import WireError
from tests.unit.model_packages import package, record, river, trees
from tests.unit.scoring_samples import FEATURES, WIDTH, batch_of, features, payment, payments, wide_model


class Constant:
    """A model that gives what it is told, row by row from the first feature's place."""

    def __init__(self, version, scores):
        self.version = version
        self._scores = np.array(scores, np.float64)

    def predict(self, matrix):
        return self._scores[: len(matrix)]


class Acting:
    """The acting pair, changed by the test."""

    def __init__(self, champion=None, challenger=None):
        self.pair = (champion, challenger)
        self.is_canary = False

    def current(self):
        return *self.pair, self.is_canary

    def close(self):
        self.pair = (None, None)


def stage(champion=None, challenger=None, policy=None, declines_per_hour=1000):
    models = Acting(champion, challenger)
    reports = Reports(Telemetry("scoring"))
    made = ScoringStage(
        models, Rules(policy or Policy(3, 0.3, 0.8), 0.3, declines_per_hour), FEATURES, Settings(), reports
    )
    return made, models, reports


def outputs(outgoing, topic="scores.v1"):
    return [wire.decode(value, topic) for each in outgoing if each.topic == topic for value in each.values]


def test_decisions_turn_at_the_thresholds():
    below = np.nextafter([0.3, 0.8], 0).tolist()
    made, _, _ = stage(Constant("m", [below[0], 0.3, below[1], 0.8]))
    found = outputs(made.process(payments(features(4))))
    assert [each["decision"] for each in found] == ["approve", "review", "review", "decline"]
    assert [each["score"] for each in found] == [below[0], 0.3, below[1], 0.8]
    assert {(each["model_version"], each["policy_version"]) for each in found} == {("m", 3)}


def test_before_the_first_model_a_payment_is_unscored_not_zero():
    made, _, _ = stage()
    (found,) = outputs(made.process(payments(features(1))))
    assert (found["score"], found["decision"], found["model_version"]) == (None, "unscored", None)
    assert (found["challenger_score"], found["challenger_version"]) == (None, None)


def test_the_challenger_scores_beside_and_decides_nothing():
    made, _, _ = stage(Constant("old", [0.1, 0.9]), Constant("new", [0.95, 0.05]))
    found = outputs(made.process(payments(features(2))))
    assert [each["decision"] for each in found] == ["approve", "decline"]
    assert [each["challenger_score"] for each in found] == [0.95, 0.05]
    assert {each["challenger_version"] for each in found} == {"new"}


def test_a_challenger_without_champion_leaves_payments_unscored():
    made, _, _ = stage(None, Constant("new", [0.9]))
    (found,) = outputs(made.process(payments(features(1))))
    assert (found["score"], found["decision"], found["challenger_score"]) == (None, "unscored", 0.9)


def test_a_score_keeps_the_payment_and_names_the_record_it_came_from():
    made, _, _ = stage(Constant("m", [0.5] * 3))
    batch = payments(features(3), first=70)
    (outgoing,) = [each for each in made.process(batch) if each.topic == "scores.v1"]
    found = outputs([outgoing])
    assert outgoing.keys == batch.keys
    assert [each["source"] for each in found] == [wire.source_bytes(1, 70 + row) for row in range(3)]
    for value, score in zip(batch.values, found, strict=True):
        given = wire.decode(value, "features.terminal.v1")
        kept = {name: score[name] for name in given if name != "source"}
        np.testing.assert_equal(kept, {name: given[name] for name in kept})


@pytest.mark.parametrize(
    "champion", [Scored(np.array([0.0, 1.0, 0.1]), "m"), Scored(np.full(3, np.nan), None)]
)
def test_all_rows_of_a_batch_grow_by_the_same_number_of_bytes(champion):
    nobody = Scored(np.full(3, np.nan), None)
    block = appended(champion, np.array([0, 1, 3], np.int8), nobody, 70)
    width = (9 + 1 + 3 if champion.version else 1 + 1 + 1) + 1 + 1 + 2
    assert (block.shape, block.dtype) == ((3, width), np.uint8)


def test_a_swap_falls_between_two_batches():
    made, models, _ = stage(Constant("a", [0.1] * 9))
    first = outputs(made.process(payments(features(9))))
    models.pair = (Constant("b", [0.9] * 9), None)
    second = outputs(made.process(payments(features(9), first=9)))
    assert [each["model_version"] for each in first + second] == ["a"] * 9 + ["b"] * 9


@pytest.mark.parametrize("kind", ["linear", "trees", "river"])
def test_a_score_does_not_depend_on_its_batch_in_a_single_bit(kind):
    model = wide_model("a").predict if kind == "linear" else {"trees": trees, "river": river}[kind]()
    matrix = features(257)[:, : WIDTH if kind == "linear" else 4].copy()
    whole = model(matrix)
    singles = np.concatenate([model(matrix[row : row + 1]) for row in range(len(matrix))])
    thirds = np.concatenate([model(part) for part in np.array_split(matrix, 3)])
    assert whole.tobytes() == singles.tobytes() == thirds.tobytes()


def test_records_are_the_same_bytes_however_they_are_batched():
    matrix = features(60)
    whole, _, _ = stage(wide_model("a"))
    parts, _, _ = stage(wide_model("a"))
    once = whole.process(payments(matrix))[0].values
    each = [parts.process(payments(matrix[row : row + 1], row))[0].values[0] for row in range(60)]
    assert once == each


def test_a_failing_champion_stops_scoring():
    made, _, _ = stage(Constant("m", [np.nan]))
    with pytest.raises(ModelFailure, match="0 finite scores for 1"):
        made.process(payments(features(1)))


def test_a_model_that_raises_is_a_failure_too():
    with pytest.raises(ModelFailure, match="model m"):
        scored(Constant("m", [0.5]), features(2))


def test_a_failing_challenger_is_set_aside_with_one_event():
    made, _, _ = stage(Constant("m", [0.5] * 2), Constant("bad", [np.nan] * 2))
    outgoing = made.process(payments(features(2))) + made.process(payments(features(2), 2))
    assert {each["challenger_score"] for each in outputs(outgoing)} == {None}
    (event,) = outputs(outgoing, "monitoring.v1")
    assert (event["signal"], event["model_version"], event["severity"]) == ("model-failed", "bad", "alarm")


def test_a_refused_package_is_an_event_with_its_reason_even_without_payments():
    made, _, reports = stage()
    reports.refused(record(package("linear")), ModelRefused(Refusal.UNSIGNED, "no signature"))
    (event,) = outputs(made.idle(), "monitoring.v1")
    assert (event["signal"], event["detail"]) == ("model-refused", "unsigned: no signature")
    assert made.idle() == []


def test_a_sketch_comes_when_the_brokers_second_has_passed():
    made, _, _ = stage(Constant("m", [0.5] * 1001))
    found = outputs(made.process(payments(features(1001))), "sketches.v1")
    (sketch,) = found
    assert (sketch["count"], sketch["model_version"], sketch["names"][-2:]) == (
        1000,
        "m",
        ["score", "decision"],
    )
    assert sketch["counts"][-5:] == [0, 0, 1000, 0, 0]


def test_what_a_canary_decides_is_not_counted_among_the_champions_decisions():
    made, models, _ = stage(Constant("old", [0.1] * 1001), Constant("new", [0.9] * 1001))
    models.is_canary = True
    outgoing = made.process(payments(features(1001)))
    acted = [each["model_version"] for each in outputs(outgoing)][:1000].count("new")
    (sketch,) = outputs(outgoing, "sketches.v1")
    assert acted > 0
    assert (sketch["model_version"], sketch["counts"][-5:]) == ("old", [0, 1000 - acted, 0, 0, acted])


def test_features_are_cut_from_the_ends_as_the_decoder_finds_them():
    matrix = features(30)
    found = FeatureBlocks(FEATURES).read(payments(matrix))
    np.testing.assert_array_equal(found, matrix)


def test_features_of_other_definitions_are_not_scored():
    row = features(1)[0]
    blocks = FeatureBlocks(FEATURES)
    for other in ({"terminal_features_version": FEATURES.version + 1}, {"customer_features": [1.0]}):
        with pytest.raises(WireError, match="not the features of version"):
            blocks.read(batch_of("x", [payment(0, row, **other)]))
    with pytest.raises(WireError, match="not one of ours"):
        blocks.read(batch_of("x", [b"\0\0\0\0\0short"]))
