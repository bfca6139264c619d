"""The online learner: River's own steps, every example once, scored before it is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from services.training.online import Learner, pipeline
from services.training.split import DAY
from shared.features import definitions
from shared.policy import GuardsPolicy

FEATURES = definitions()
GUARDS = GuardsPolicy.load()
COUNT = 400


def rows() -> pl.DataFrame:
    generator = np.random.default_rng(2)
    values = generator.exponential(20, (COUNT, len(FEATURES.names))).astype(np.float32)
    is_fraud = values[:, 0] > 60
    values[generator.random(values.shape) < 0.1] = np.nan
    times = np.arange(COUNT) * DAY // 20
    made = pl.DataFrame(values, schema=list(FEATURES.names))
    return made.with_columns(
        event_time=pl.Series(times),
        is_fraud=pl.Series(is_fraud),
        at=pl.Series(times + 8 * DAY),
        terminal_id=pl.Series([f"m{number}" for number in range(COUNT)]),
        label_origin=pl.lit("chargeback"),
        label_time=pl.Series(times + 7 * DAY),
        is_implied=pl.Series(~is_fraud),
    )


def state(learner: Learner) -> Any:
    def weights(model: Any) -> Any:
        regression = model["LogisticRegression"]
        return regression.weights, regression.intercept, dict(regression.optimizer.g2)

    mornings = {day: weights(model) for day, model in learner.mornings.items()}
    return learner.learnt, learner.day, weights(learner.model), mornings


def test_it_learns_as_river_does_and_scores_by_the_morning_of_the_payment() -> None:
    given = rows()
    learner, plain = Learner.of(FEATURES), pipeline(FEATURES)
    scores = learner.take(given, pl.Series([True] * COUNT), GUARDS)
    mornings: dict[int, int] = {}
    for number, (row, at) in enumerate(zip(given.to_dicts(), given["at"], strict=True)):
        mornings.setdefault(at // DAY, number)
        known = {name: row[name] for name in FEATURES.names if row[name] == row[name]}
        plain.learn_one(known, row["is_fraud"])
    last = {name: v for name, v in given.row(-1, named=True).items() if name in FEATURES.names and v == v}
    assert learner.model.predict_proba_one(last) == plain.predict_proba_one(last)
    assert learner.learnt == COUNT

    before = pipeline(FEATURES)
    day = given["event_time"][-1] // DAY
    for row in given.head(mornings[day]).to_dicts():
        before.learn_one({n: row[n] for n in FEATURES.names if row[n] == row[n]}, row["is_fraud"])
    assert scores[-1] == before.predict_proba_one(last)[True]
    assert scores.null_count() == int((given["event_time"] < 8 * DAY).sum())


def test_a_learner_goes_on_from_its_snapshot_as_if_nothing_had_been() -> None:
    given, fresh = rows(), pl.Series([True] * COUNT)
    whole = Learner.of(FEATURES)
    scores = whole.take(given, fresh, GUARDS)
    first = Learner.of(FEATURES)
    early = first.take(given.head(150), fresh.head(150), GUARDS)
    second = Learner.of(FEATURES, first.to_bytes())
    late = second.take(given.tail(COUNT - 150), fresh.tail(COUNT - 150), GUARDS)
    assert pl.concat([early, late]).equals(scores, null_equal=True)
    assert state(second) == state(whole)


def test_a_repeat_teaches_nothing() -> None:
    given = rows()
    once, twice = Learner.of(FEATURES), Learner.of(FEATURES)
    once.take(given, pl.Series([True] * COUNT), GUARDS)
    doubled = pl.concat([given, given]).sort("at", maintain_order=True)
    twice.take(doubled, pl.Series([True, False] * COUNT), GUARDS)
    assert once.learnt == twice.learnt
    assert state(once) == state(twice)


def test_of_a_flood_onto_a_terminal_nothing_is_learnt_beyond_its_limit() -> None:
    given = rows().with_columns(
        terminal_id=pl.lit("m"), label_time=pl.lit(7 * DAY), is_implied=pl.lit(False), is_fraud=pl.lit(True)
    )
    learner, within = Learner.of(FEATURES), Learner.of(FEATURES)
    fresh = pl.Series([True] * COUNT)
    learner.take(given.head(5), fresh.head(5), GUARDS)
    again = Learner.of(FEATURES, learner.to_bytes())
    again.take(given.tail(COUNT - 5), fresh.tail(COUNT - 5), GUARDS)
    limit = GUARDS.labels_per_terminal_day
    within.take(given.head(limit), fresh.head(limit), GUARDS)
    assert again.learnt == within.learnt == limit
    assert again.model["LogisticRegression"].weights == within.model["LogisticRegression"].weights


def test_of_a_flood_from_an_origin_nothing_is_learnt_beyond_its_limit() -> None:
    given = rows().with_columns(label_time=pl.lit(7 * DAY), is_implied=pl.lit(False))
    learner = Learner.of(FEATURES)
    learner.take(given, pl.Series([True] * COUNT), GUARDS)
    assert learner.learnt == GUARDS.flood_least
