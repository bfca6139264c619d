"""Windows equal their definitions, computed a second time in plain Python, to the last bit."""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import schemas
from shared.features import (
    DefinitionError,
    StateMismatch,
    WindowState,
    definitions,
    feature_set,
    kernels,
    known,
)
from tests.unit.features_plainly import DAY, Fact, Feed, Payment, features_of

FEATURES = definitions()
CUSTOMER, TERMINAL = (FEATURES.entity(name) for name in ("customer", "terminal"))
START = 1_522_540_800_000_000
COARSE = DAY // 4  # so coarse that many payments have the same time, and many lie on a window's end
SEEDS = range(4)


def stream(seed: int, is_late: bool = True, count: int = 260) -> list[Payment]:
    """Payments of a few entities over 120 days; some come up to 7 days late."""
    draw = np.random.default_rng(seed)
    times = np.sort(draw.integers(0, 120 * DAY // COARSE, count)) * COARSE
    fine = np.where(draw.random(count) < 0.3, draw.integers(0, COARSE, count), 0)
    late = np.where(draw.random(count) < 0.3, draw.integers(0, 7 * DAY // COARSE, count) * COARSE, 0)
    moments = START + (times + fine - late if is_late else np.sort(times + fine))
    amounts = np.where(draw.random(count) < 0.05, 0, draw.lognormal(8, 1.5, count).astype(np.int64))
    names = [b"%d" % each for each in draw.integers(0, 3, count)]
    rows = zip(range(count), names, moments.tolist(), amounts.tolist(), strict=True)
    return [Payment(*row) for row in rows]


def labels(payments: list[Payment], seed: int, eagerness: float) -> list[Fact]:
    """Labels, corrections and contradictions; each comes within label_lag of its time.

    With an eagerness of 1 they come as soon as they can, with 0 as late as they may.
    """
    draw = np.random.default_rng(seed + 1000)
    clock = np.maximum.accumulate([each.time for each in payments])
    facts = []
    for payment in payments:
        ratio = float(np.float32(draw.choice([np.nan, *draw.lognormal(0, 1, 4)])))
        for _ in range(draw.choice([0, 1, 2, 3], p=[0.5, 0.3, 0.15, 0.05])):
            label_time = payment.time + int(draw.integers(0, 40)) * COARSE
            label = int(draw.random() < 0.7)
            latest = int(np.searchsorted(clock, label_time + FEATURES.label_lag, "left"))
            earliest = int(np.searchsorted(clock, label_time, "right"))
            after = latest - int((latest - earliest) * eagerness)
            after = max(after, payment.number + 1)  # an outcome follows its payment's score
            facts.append(Fact(payment, label_time, label, min(after, len(payments)), ratio))
    return facts


def cuts(seed: int, count: int) -> list[int]:
    return sorted(np.random.default_rng(seed + 2000).integers(0, count, 12).tolist())


@pytest.mark.parametrize("seed", SEEDS)
def test_customer_features_equal_their_definitions(seed: int) -> None:
    payments = stream(seed)
    found = Feed(FEATURES, CUSTOMER).run(payments, [], cuts(seed, len(payments)))
    expected = features_of(FEATURES, CUSTOMER, payments, [])
    assert not np.isnan(expected).all(axis=0).any(), "each feature is defined somewhere"
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_terminal_features_equal_their_definitions(seed: int) -> None:
    payments = stream(seed)
    facts = labels(payments, seed, 0.5)
    found = Feed(FEATURES, TERMINAL).run(payments, facts, [])
    expected = features_of(FEATURES, TERMINAL, payments, facts)
    assert not np.isnan(expected).all(axis=0).any(), "each feature is defined somewhere"
    assert (np.nanstd(expected, axis=0) > 0).all(), "each feature varies"
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_that_come_within_label_lag_give_the_same_features_in_any_interleaving(seed: int) -> None:
    payments = stream(seed, is_late=False)
    runs = []
    for eagerness in (0.0, 0.5, 1.0):
        facts = labels(payments, seed, eagerness)
        np.random.default_rng(seed).shuffle(facts)
        runs.append(Feed(FEATURES, TERMINAL).run(payments, facts, []))
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_that_come_again_change_nothing(seed: int) -> None:
    payments = stream(seed)
    facts = labels(payments, seed, 1.0)
    again = [fact._replace(after=min(fact.after + 30, len(payments))) for fact in facts]
    once, twice = (Feed(FEATURES, TERMINAL).run(payments, each, []) for each in (facts, facts + again))
    np.testing.assert_array_equal(once, twice)


@pytest.mark.parametrize("entity", [CUSTOMER, TERMINAL], ids=lambda entity: entity.name)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_state_restored_from_a_snapshot_goes_on_as_if_never_stopped(seed: int, entity) -> None:  # type: ignore[no-untyped-def]
    payments = stream(seed)
    facts = labels(payments, seed, 0.5) if entity is TERMINAL else []
    places = cuts(seed, len(payments))
    unbroken = Feed(FEATURES, entity).run(payments, facts, places)
    broken = Feed(FEATURES, entity).run(payments, facts, places, restarts=True)
    np.testing.assert_array_equal(unbroken, broken)


def test_taking_a_snapshot_changes_nothing_and_two_are_equal() -> None:
    feed = Feed(FEATURES, TERMINAL)
    payments = stream(1)
    feed.run(payments, labels(payments, 1, 0.5), [])
    first = {name: array.copy() for name, array in feed.state.snapshot().items()}
    second = feed.state.snapshot()
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def test_the_label_of_the_latest_time_wins_and_fraud_wins_at_the_same_time() -> None:
    paid = Payment(0, b"m", START, 100)
    later = [Payment(1 + day, b"m", START + day * DAY, 100) for day in range(1, 13)]
    facts = [Fact(paid, START + 3 * DAY, 0), Fact(paid, START + 2 * DAY, 1), Fact(paid, START + 4 * DAY, 1)]
    facts += [Fact(paid, START + 6 * DAY, 0), Fact(paid, START + 6 * DAY, 1), Fact(paid, START + 8 * DAY, 0)]
    last = TERMINAL.names.index("terminal_last_label")
    found = Feed(FEATURES, TERMINAL).run([paid, *later], facts, [])[:, last]
    # Days 0 to 2 know nothing; fraud from 2 + 1, genuine from 3 + 1, fraud from 4 + 1 and on, genuine from
    # 8 + 1 on, and from then also the payments of days 1 and on are genuine by implication.
    expected = [np.nan] * 3 + [1, 0] + [1] * 4 + [0] * 4
    np.testing.assert_array_equal(found, np.float32(expected))


def test_an_explicit_fraud_wins_over_the_implied_genuine_however_late_it_comes() -> None:
    paid = Payment(0, b"m", START, 100)
    later = [Payment(1 + day, b"m", START + day * DAY, 100) for day in (7, 8, 30, 31)]
    share = TERMINAL.names.index("terminal_fraud_share_37d")
    found = Feed(FEATURES, TERMINAL).run([paid, *later], [Fact(paid, START + 30 * DAY, 1, 1)], [])[:, share]
    # On day 31 the payments of days 0 (fraud), 7 and 8 are labelled.
    np.testing.assert_array_equal(found, np.float32([np.nan, np.nan, 0, 0, 1 / 3]))


def test_the_least_of_what_known_frauds_carry_leaves_out_what_is_undefined_and_corrected() -> None:
    paid = [Payment(at, b"m", START, 100) for at in range(4)]
    carried = [3.0, np.nan, 0.5, 2.0]
    facts = [Fact(each, START, 1, 4, value) for each, value in zip(paid, carried, strict=True)]
    facts += [Fact(paid[2], START + DAY, 0, 4, 0.5), Fact(paid[3], START + 4 * DAY, 1, 4, 2.0)]
    later = [Payment(4 + at, b"m", START + day * DAY, 100) for at, day in enumerate((0, 1, 2, 74, 75))]
    least = TERMINAL.names.index("terminal_fraud_least_habit_ratio")
    found = Feed(FEATURES, TERMINAL).run([*paid, *later], facts, [])[4:, least]
    np.testing.assert_array_equal(found, np.float32([np.nan, 0.5, 2, 2, np.nan]))


def test_a_feature_looks_only_at_one_of_an_entity_before_its_own() -> None:
    content = deepcopy(schemas.toml("features"))
    least = content["entities"][1]["features"][-1]
    content["entities"][1]["features"].append({**least, "name": "other", "of": "amount"})
    with pytest.raises(DefinitionError, match=r"looks at amount, another .* outcomes carry one"):
        feature_set(content, schemas.toml("rates"))
    least["of"] = "terminal_count_1d"
    with pytest.raises(DefinitionError, match="terminal_count_1d, which is none of the entities before"):
        feature_set(content, schemas.toml("rates"))


def test_compiled_modules_name_the_digests_of_what_they_inline() -> None:
    for module in (known, kernels):
        for name in ("blocks", "plan", "known"):
            content = Path(known.__file__).with_name(f"{name}.py").read_bytes()
            digest = sha256(content).hexdigest()[:16]
            assert getattr(module, f"{name.upper()}_DIGEST", digest) == digest, (module.__name__, name)


def test_means_are_rounded_once_from_double_precision() -> None:
    amounts = [1, 2, 10_000_000_007]
    payments = [Payment(at, b"c", START, amount) for at, amount in enumerate(amounts)]
    mean = CUSTOMER.names.index("customer_mean_amount_1d")
    found = Feed(FEATURES, CUSTOMER).run(payments, [], [])[:, mean]
    assert found.tolist() == [np.float32(0.01), np.float32(0.015), np.float32(10_000_000_010 / 3 / 100)]


def test_a_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    payments = [Payment(at, b"c", START + at * DAY, 100) for at in range(3)]
    count = CUSTOMER.names.index("customer_count_1d")
    assert Feed(FEATURES, CUSTOMER).run(payments, [], [])[:, count].tolist() == [1, 1, 1]
    nearly = [payments[0], payments[1]._replace(time=START + DAY - 1)]
    assert Feed(FEATURES, CUSTOMER).run(nearly, [], [])[:, count].tolist() == [1, 2]


def test_rows_that_no_payment_can_ask_for_are_forgotten() -> None:
    feed = Feed(FEATURES, CUSTOMER)
    feed.advance([Payment(at, b"c%d" % (at % 5), START + at * DAY, 100) for at in range(400)])
    feed.restart()
    # Looks back 60 days, and payments may come 7 days late.
    assert feed.state.retained == 67


def test_state_of_other_definitions_is_refused() -> None:
    content = schemas.toml("features")
    other = feature_set({**content, "version": content["version"] + 1}, schemas.toml("rates"))
    snapshot = WindowState(FEATURES, CUSTOMER, 64).snapshot()
    with pytest.raises(StateMismatch, match="other feature definitions"):
        WindowState(other, other.entity("customer"), 64).restore(snapshot)
