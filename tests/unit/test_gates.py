"""Each gate stops what it is there for, lets the rest pass, and says when it cannot know."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

from services.training.examples import Examples
from services.training.gates import evidence
from services.training.gates.calibration import calibration, further_off, recalibration
from services.training.gates.cost import cost
from services.training.gates.events import signals
from services.training.gates.evidence import Learned, Refitted, Trial
from services.training.gates.groups import groups_of
from services.training.gates.judge import GATES, Case, judge
from services.training.gates.package import package
from services.training.gates.performance import Ranking, performance
from services.training.gates.plausibility import feature_precision, plausibility
from services.training.gates.privacy import privacy
from services.training.gates.reproducibility import reproducibility
from services.training.gates.subpopulations import subpopulations
from services.training.gates.verdict import Outcome, is_accepted, outcome_of, worst_of
from services.training.gates.what_if import what_if
from services.training.split import DAY
from shared import wire
from shared.models import Linear, Model, ModelRefused, Refusal
from shared.policy import GatesPolicy, PolicyError
from tests.unit.gate_cases import BOUNDS, POLICY, attributes, token, trial
from tests.unit.model_packages import linear, manifest, rows, trees

TRIAL = trial()
NAMES = ["amount", "count", "risk"]
GROUPS = groups_of(TRIAL.examples, attributes(), 100)
PERFORMANCE = msgspec.structs.replace(BOUNDS.performance, resamples=100)
MEDIANS = np.array([0.0, 0.1, np.nan, 0.3], np.float32)


def scored(scores: np.ndarray, of: Trial = TRIAL) -> Trial:
    return replace(of, scores=scores)


def with_feature(values: np.ndarray, of: Trial = TRIAL) -> Trial:
    features = of.examples.features.copy()
    features[:, 1] = values
    return replace(of, examples=Examples(of.examples.rows, features))


def first(count: int, of: Trial = TRIAL) -> Trial:
    chosen = np.arange(len(of.examples)) < count
    return Trial(of.examples.where(chosen), of.scores[chosen], of.scores[chosen])


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [((0.2, 0.8), "pass"), ((-0.9, -0.1), "fail"), ((1.1, 2.0), "fail"), ((-0.1, 0.9), "pass")],
)
def test_a_bound_is_missed_where_the_whole_interval_lies_outside(
    interval: tuple[float, float], outcome: Outcome
) -> None:
    assert outcome_of(sum(interval) / 2, interval, 0.0, 1.0) == outcome


def test_an_estimate_outside_with_an_interval_that_reaches_inside_is_left_open() -> None:
    assert outcome_of(-0.1, (-0.3, 0.1), 0.0, 1.0) == "not_enough_evidence"
    assert worst_of(["pass", "not_enough_evidence", "pass"]) == "not_enough_evidence"


def test_weighted_average_precision_is_that_of_repeated_rows() -> None:
    draw = np.random.default_rng(1)
    is_fraud, scores = draw.random(300) < 0.2, draw.integers(0, 40, 300) / 40  # with ties
    times = draw.integers(0, 4, 300)
    due = average_precision_score(np.repeat(is_fraud, times), np.repeat(scores, times))
    found = Ranking.of(is_fraud, scores).average_precision(times.astype(np.float64))
    assert found == pytest.approx(due, abs=1e-12)


def test_a_candidate_like_the_champion_passes_and_a_worse_one_fails() -> None:
    assert performance(TRIAL, PERFORMANCE).outcome == "pass"
    noise = np.random.default_rng(2).random(len(TRIAL.scores))
    worse = performance(scored(TRIAL.scores + noise), PERFORMANCE)
    assert worse.outcome == "fail"
    assert worse.value is not None
    assert worse.value < 0


def test_a_candidate_no_better_than_chance_fails_without_a_champion_too() -> None:
    flipped = replace(TRIAL, scores=1 - TRIAL.scores, champion=None)
    assert performance(flipped, PERFORMANCE).outcome == "fail"
    assert performance(replace(TRIAL, champion=None), PERFORMANCE).outcome == "pass"


def test_a_candidate_as_near_to_chance_as_the_champion_is_no_reason_to_keep_it() -> None:
    draw = np.random.default_rng(3)
    near, nearer, other = (TRIAL.scores + noise * draw.random(len(TRIAL.scores)) for noise in (1, 6, 1))
    share = TRIAL.examples.frauds / len(TRIAL.examples)
    bounds = msgspec.structs.replace(PERFORMANCE, least_lift=0.9 / share, most_loss=1.0)  # none reaches it

    def outcome(candidate: np.ndarray, champion: np.ndarray | None) -> str:
        return performance(Trial(TRIAL.examples, candidate, champion), bounds).outcome

    assert outcome(near, None) == outcome(near, TRIAL.scores) == outcome(nearer, near) == "fail"
    assert outcome(near, near) == outcome(near, nearer) == "pass"
    assert {outcome(near, other), outcome(other, near)} == {"pass", "not_enough_evidence"}


def test_few_frauds_are_not_enough_evidence() -> None:
    few = first(200)
    assert performance(few, PERFORMANCE).outcome == "not_enough_evidence"
    assert calibration(few, BOUNDS.calibration).outcome == "not_enough_evidence"
    fewest = subpopulations(first(40), GROUPS[:40], POLICY, BOUNDS.subpopulations)
    assert fewest.outcome == "not_enough_evidence"
    assert reproducibility(None).outcome == "not_enough_evidence"


def test_a_bootstrap_is_the_same_for_the_same_seed() -> None:
    assert performance(TRIAL, PERFORMANCE, 3) == performance(TRIAL, PERFORMANCE, 3)


def test_the_slope_of_scores_that_are_twice_as_spread_as_the_truth_is_a_half() -> None:
    draw = np.random.default_rng(4)
    logits = draw.normal(-1, 1, 20_000)
    is_fraud = draw.random(20_000) < 1 / (1 + np.exp(-logits))
    found = recalibration(is_fraud, 1 / (1 + np.exp(-2 * logits)))
    assert found is not None
    assert found.slope == pytest.approx(0.5, abs=0.03)  # by construction
    assert found.slope_error == pytest.approx(0.01, abs=0.005)


def test_scores_too_spread_or_too_high_are_not_calibrated() -> None:
    logits = np.log(TRIAL.scores / (1 - TRIAL.scores))
    assert calibration(TRIAL, BOUNDS.calibration).outcome == "pass"
    sharpened = calibration(scored(1 / (1 + np.exp(-2.5 * logits))), BOUNDS.calibration)
    assert sharpened.outcome == "fail"
    assert sharpened.value is not None
    assert sharpened.value < BOUNDS.calibration.least_slope
    assert calibration(scored(np.minimum(TRIAL.scores * 3, 1)), BOUNDS.calibration).outcome == "fail"


def test_scores_that_rank_nothing_are_no_probabilities() -> None:
    constant = scored(np.full(len(TRIAL.scores), TRIAL.examples.is_fraud.mean()))
    assert calibration(constant, BOUNDS.calibration).outcome == "fail"


def test_a_group_whose_frauds_are_missed_fails_and_chance_differences_pass() -> None:
    assert subpopulations(TRIAL, GROUPS, POLICY, BOUNDS.subpopulations).outcome == "pass"
    for attribute, group in (("region", "south"), ("channel", "online"), ("age_band", "60+")):
        starved = np.where(GROUPS[attribute] == group, TRIAL.scores * 0.2, TRIAL.scores)
        verdict = subpopulations(scored(starved), GROUPS, POLICY, BOUNDS.subpopulations)
        assert verdict.outcome == "fail"
        assert attribute in verdict.sentence


def test_scores_as_ill_calibrated_as_the_champions_are_no_reason_to_keep_it() -> None:
    logits = np.log(TRIAL.scores / (1 - TRIAL.scores))
    sharp, sharper = (1 / (1 + np.exp(-factor * logits)) for factor in (2.5, 4.0))

    def outcome(candidate: np.ndarray, champion: np.ndarray | None) -> str:
        return calibration(Trial(TRIAL.examples, candidate, champion), BOUNDS.calibration).outcome

    assert outcome(sharp, None) == outcome(sharp, TRIAL.scores) == outcome(sharper, sharp) == "fail"
    assert outcome(sharp, sharp) == outcome(sharp, sharper) == "pass"
    low, lower = TRIAL.scores / 3, TRIAL.scores / 9
    assert outcome(low, None) == outcome(lower, low) == "fail"
    assert outcome(low, lower) == "pass"


def test_what_is_calibrated_passes_beside_a_champion_that_ranks_better() -> None:
    blurred = np.full(len(TRIAL.scores), TRIAL.scores.mean())
    blurred = np.where(TRIAL.scores > 0.5, TRIAL.scores[TRIAL.scores > 0.5].mean(), blurred)
    found = calibration(replace(TRIAL, scores=TRIAL.scores, champion=blurred), BOUNDS.calibration)
    assert found.outcome == "pass"
    assert (found.numbers["excess_loss_high"] or 0.0) < 0


def test_excess_loss_is_that_of_the_formula_and_its_interval_takes_customers_whole() -> None:
    examples = trial(6, customers=1).examples
    rows = examples.rows.with_columns(
        customer_id=pl.Series([token("a")] * 2 + [token("b")] * 4), is_fraud=pl.Series([True] + [False] * 5)
    )
    pair = Trial(Examples(rows, examples.features), np.full(6, 0.2), np.array([0.4, *[0.2] * 5]))
    found = further_off(pair, 0.95)
    assert found.estimate == pytest.approx(np.log(2))  # of -ln 0.2 + ln 0.4, for the one fraud
    reach = 1.959964 * np.sqrt(2) * np.log(2) / 2  # both customers lie half of it from their mean
    assert found.interval == pytest.approx((np.log(2) - reach, np.log(2) + reach))


def test_a_loss_that_may_be_chance_leaves_a_miss_of_calibration_open() -> None:
    customer = TRIAL.examples.rows["customer_id"].rank("dense").to_numpy()
    is_worse = customer % 2 == 1  # with half of the customers, and as much better with the others
    candidate = np.where(is_worse, TRIAL.scores / 6, TRIAL.scores / 3)
    champion = np.where(is_worse, TRIAL.scores / 3, TRIAL.scores / 6)
    found = calibration(Trial(TRIAL.examples, candidate, champion), BOUNDS.calibration)
    assert calibration(Trial(TRIAL.examples, candidate), BOUNDS.calibration).outcome == "fail"
    assert found.outcome == "not_enough_evidence"
    assert found.numbers["excess_loss_low"] < 0 < found.numbers["excess_loss"]  # type: ignore[operator]


def test_a_group_that_the_champion_misses_too_is_no_reason_to_keep_it() -> None:
    starved = {
        share: np.where(GROUPS["channel"] == "online", TRIAL.scores * share, TRIAL.scores)
        for share in (0.2, 0.5, 1.0)
    }

    def outcome(candidate: float, champion: float | None) -> str:
        scores = None if champion is None else starved[champion]
        pair = Trial(TRIAL.examples, starved[candidate], scores)
        return subpopulations(pair, GROUPS, POLICY, BOUNDS.subpopulations).outcome

    assert outcome(0.2, None) == outcome(0.2, 1.0) == outcome(0.2, 0.5) == "fail"
    assert outcome(0.2, 0.2) == outcome(0.5, 0.2) == "pass"


def test_a_group_is_held_against_the_champion_of_the_same_metric_and_group_only() -> None:
    def starved(group: str) -> np.ndarray:
        return np.where(GROUPS["region"] == group, TRIAL.scores * 0.2, TRIAL.scores)

    pair = Trial(TRIAL.examples, starved("south"), starved("north"))
    found = subpopulations(pair, GROUPS, POLICY, BOUNDS.subpopulations)
    assert found.outcome == "fail"
    assert "region south" in found.sentence
    assert found.numbers["champion"] is not None
    assert found.numbers["champion"] < 0  # recall and precision of the south are better there


def test_groups_are_told_by_customer_and_amount() -> None:
    known = groups_of(TRIAL.examples, attributes(250), 100)
    assert "unknown" in known["region"].unique().to_list()
    amounts = TRIAL.examples.rows["amount_base"]
    assert known.filter(amounts == 1999)["amount_band"].unique().to_list() in (["0-20"], [])
    assert set(known.filter(amounts >= 20_000)["amount_band"].to_list()) == {"200+"}
    assert set(known.filter((amounts >= 2000) & (amounts < 5000))["amount_band"].to_list()) == {"20-50"}


def test_a_feature_that_holds_the_label_is_implausible() -> None:
    is_fraud = TRIAL.examples.is_fraud
    learned = Learned(TRIAL.examples, 20 * DAY)
    assert plausibility(learned, TRIAL, NAMES, BOUNDS.plausibility).outcome == "pass"
    leaking = plausibility(learned, with_feature(-1.0 * is_fraud), NAMES, BOUNDS.plausibility)
    assert leaking.outcome == "fail"
    assert "count" in leaking.sentence
    oracle = plausibility(learned, scored(is_fraud.astype(np.float64)), NAMES, BOUNDS.plausibility)
    assert oracle.outcome == "fail"


def test_the_undefined_values_of_a_feature_may_be_what_leaks() -> None:
    is_fraud = TRIAL.examples.is_fraud
    column = np.where(is_fraud, np.nan, 1.0).astype(np.float32)
    assert feature_precision(is_fraud, column) == 1.0


def test_labels_known_before_they_could_be_are_implausible() -> None:
    newest = int(TRIAL.examples.rows["label_time"].max())  # type: ignore[arg-type]
    early = plausibility(Learned(TRIAL.examples, newest - DAY), TRIAL, NAMES, BOUNDS.plausibility)
    assert early.outcome == "fail"
    assert "labels from after the fit" in early.sentence
    assert plausibility(Learned(TRIAL.examples, newest), TRIAL, NAMES, BOUNDS.plausibility).outcome == "pass"


def private(of: Trial = TRIAL, names: list[str] = NAMES, content: bytes = b"") -> str:
    return privacy(content, names, of, GROUPS, BOUNDS.privacy).sentence


def test_features_of_the_stream_are_private_enough() -> None:
    assert privacy(b"", NAMES, TRIAL, GROUPS, BOUNDS.privacy).outcome == "pass"


@pytest.mark.parametrize("name", ["customer_id", "gender_female", "card_hash", "customer_age", "Region-code"])
def test_a_feature_may_not_bear_the_name_of_an_identifier_or_protected_attribute(name: str) -> None:
    assert f"Feature {name} bears the name" in private(names=["amount", name, "risk"])


@pytest.mark.parametrize("name", ["customer_mean_amount_7d", "terminal_count_1d", "coverage", "discarded"])
def test_a_name_that_only_resembles_one_may_stand(name: str) -> None:
    assert private(names=["amount", name, "risk"]).startswith("No identifier")


def test_an_identifier_or_attribute_under_an_innocent_name_is_found_by_its_values() -> None:
    number = TRIAL.examples.rows["customer_id"].rank("dense").to_numpy()
    assert "it is an identifier" in private(with_feature(number * 7.5))
    gender = (GROUPS["gender"] == "female").to_numpy()
    assert "tells gender" in private(with_feature(gender * 1.0))


@pytest.mark.parametrize("column", ["transaction_id", "customer_id", "terminal_id"])
def test_ids_in_the_package_and_raw_ids_in_the_data_set_are_found(column: str) -> None:
    last = TRIAL.examples.rows[column][-1].encode()
    for content in (b"..." + last + b"...", b"0a" + last + b"ff", last):  # within more hex digits too
        assert f"holds a {column}" in private(content=content)
    assert private(content=last[:-1]).startswith("No identifier")
    raw = TRIAL.examples.rows.with_columns(pl.lit("c17").alias(column))
    assert "no keyed token" in private(replace(TRIAL, examples=Examples(raw, TRIAL.examples.features)))


def test_a_private_key_in_the_package_is_found() -> None:
    assert "private key" in private(content=b"-----BEGIN PRIVATE KEY-----")


def model(of: Linear | None = None) -> Model:
    return Model(manifest(), of or trees(), MEDIANS)


def test_a_model_that_answers_sanely_passes_what_if() -> None:
    verdict = what_if(model(), rows(2000), POLICY, BOUNDS.what_if)
    assert verdict.outcome == "pass"
    assert verdict == what_if(model(), rows(2000), POLICY, BOUNDS.what_if)


def test_a_model_that_gives_no_number_for_extremes_fails_what_if() -> None:
    usual = linear()
    tiny = replace(usual, deviations=np.full(4, 1e-280), weights=np.array([1e-280, -1e-280, 0, 0]))
    assert np.isfinite(tiny(rows(100))).all()
    verdict = what_if(model(tiny), rows(2000), POLICY, BOUNDS.what_if)
    assert verdict.outcome == "fail"
    assert "no probability" in verdict.sentence


def test_a_model_that_fails_on_a_row_fails_what_if() -> None:
    class Failing:
        def __call__(self, matrix: np.ndarray) -> np.ndarray:
            raise ZeroDivisionError

    failing = Model(manifest(), Failing(), MEDIANS)
    assert what_if(failing, rows(100), POLICY, BOUNDS.what_if).outcome == "fail"


def test_a_decision_that_hangs_on_noise_fails_what_if() -> None:
    steep = replace(linear(), weights=np.array([5.0, -10.0, 0.0, 0.0]))  # of large values that all but cancel
    verdict = what_if(model(steep), rows(2000) + 1000, POLICY, BOUNDS.what_if)
    assert verdict.outcome == "fail"
    assert "Noise" in verdict.sentence


def test_a_direction_by_policy_is_held() -> None:
    falls = replace(linear(), weights=np.array([1.0, -2.0, 0.5, 0.5]), bias=np.array([0.0]))
    bounds = msgspec.structs.replace(BOUNDS.what_if, monotone={"count": 1})
    verdict = what_if(model(falls), rows(2000), POLICY, bounds)
    assert verdict.outcome == "fail"
    assert "count" in verdict.sentence
    bounds = msgspec.structs.replace(BOUNDS.what_if, monotone={"count": -1, "amount": 1})
    assert what_if(model(falls), rows(2000), POLICY, bounds).outcome == "pass"


@pytest.mark.parametrize(
    "changes", [{"us_a_row": 1e4}, {"ms_single": 1e3}, {"package_bytes": 10**9}, {"memory_bytes": 10**10}]
)
def test_a_model_that_costs_too_much_in_any_way_fails(changes: dict[str, float]) -> None:
    cheap = evidence.Cost(10.0, 0.1, 10**5, 10**6)
    assert cost(cheap, BOUNDS.cost).outcome == "pass"
    verdict = cost(replace(cheap, **changes), BOUNDS.cost)  # type: ignore[arg-type]
    assert verdict.outcome == "fail"
    assert next(iter(changes)) in verdict.sentence


def test_memory_that_was_not_measured_is_not_enough_evidence() -> None:
    assert cost(evidence.Cost(10.0, 0.1, 10**5, None), BOUNDS.cost).outcome == "not_enough_evidence"


def test_a_refused_package_and_an_unlike_refit_fail() -> None:
    refused = package(ModelRefused(Refusal.UNSIGNED, "it carries no signature"))
    assert refused.outcome == "fail"
    assert "unsigned" in refused.sentence
    assert package(model()).outcome == "pass"
    assert reproducibility(Refitted("ab", "ab")).outcome == "pass"
    assert reproducibility(Refitted("ab", "cd")).outcome == "fail"
    assert not is_accepted([refused])
    assert is_accepted([package(model()), reproducibility(None)])


def test_all_gates_judge_in_order_and_the_same_case_gets_the_same_verdicts() -> None:
    case = Case(
        content=b"",
        loaded=model(),
        names=NAMES,
        learned=Learned(TRIAL.examples, 20 * DAY),
        trial=replace(TRIAL, examples=Examples(TRIAL.examples.rows, rows(len(TRIAL.examples)))),
        groups=GROUPS,
        cost=evidence.Cost(10.0, 0.1, 10**5, 10**6),
        refitted=Refitted("ab", "ab"),
    )
    found = judge(case, POLICY, msgspec.structs.replace(BOUNDS, performance=PERFORMANCE))
    assert [verdict.gate for verdict in found] == list(GATES)
    assert {verdict.outcome for verdict in found} == {"pass"}
    assert found == judge(case, POLICY, msgspec.structs.replace(BOUNDS, performance=PERFORMANCE))
    refused = replace(case, loaded=ModelRefused(Refusal.UNSIGNED, "no signature"), cost=None)
    outcomes = {verdict.gate: verdict.outcome for verdict in judge(refused, POLICY, BOUNDS)}
    assert outcomes["package"] == "fail"
    assert list(outcomes) == [gate for gate in GATES if gate not in ("what-if", "cost")]


def test_verdicts_are_signals_passed_or_not() -> None:
    verdicts = [package(model()), reproducibility(Refitted("ab", "cd"))]
    found = [wire.decode(value, "monitoring.v1") for _, value in signals(verdicts, "v1", 5 * DAY)]
    assert [each["signal"] for each in found] == ["gate-package", "gate-reproducibility"]
    assert [each["severity"] for each in found] == ["info", "alarm"]
    assert found[1]["model_version"] == "v1"
    assert found[1]["detail"].startswith("fail: The same rows")


def test_bounds_with_an_unknown_name_or_an_impossible_value_are_refused() -> None:
    content = msgspec.to_builtins(BOUNDS)
    assert GatesPolicy.load({"gates": content}) == BOUNDS
    with pytest.raises(PolicyError, match="most_la"):
        GatesPolicy.load({"gates": {**content, "performance": {**content["performance"], "most_la": 1}}})
    with pytest.raises(PolicyError, match="confidence"):
        GatesPolicy.load({"gates": {**content, "performance": {**content["performance"], "confidence": 2}}})
    with pytest.raises(PolicyError, match="gates"):
        GatesPolicy.load({})


def test_tokens_of_the_tests_look_like_the_data_sets() -> None:
    assert len(token("c1")) == 32
