from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import TopicPartition

from services.cli import replay
from services.replay.changes import Change
from services.replay.delayed import DAY, Delays
from services.replay.failure import ReplayError
from services.replay.history import History
from services.replay.pace import ClosedLoop
from services.replay.pipeline import Standing, slowest, standing
from services.replay.records import avro_labels, avro_payments, json_labels, json_payments
from services.replay.simulator import GRID, Simulation
from shared import wire
from shared.stream.clients import DependencyError
from shared.stream.progress import Reached

USUAL = Simulation(
    customers=1000, terminals=2000, days=40, compromised_terminals=0.4, compromised_customers=0.6
)


def test_as_many_payments_and_frauds_as_the_handbook_describes() -> None:
    payments = pl.concat([USUAL.day(day) for day in range(28, 40)])
    assert payments.height / 12 / 1000 == pytest.approx(1.92, rel=0.05)
    assert 0.004 < (payments["label"] == "fraud").mean() < 0.02  # type: ignore[operator]


def test_equal_seeds_give_equal_payments_and_a_day_can_be_drawn_alone() -> None:
    alone = Simulation(customers=50, terminals=50, days=5, seed=4).day(3)
    assert alone.equals(list(Simulation(customers=50, terminals=50, days=5, seed=4).frames())[3])
    assert not alone.equals(Simulation(customers=50, terminals=50, days=5, seed=5).day(3))


def test_payments_are_in_order_and_hold_no_attribute_of_a_customer() -> None:
    day = USUAL.day(2)
    assert day["event_time"].is_sorted()
    population = USUAL.population()
    assert set(population.columns) == {"customer_id", "region", "age_band", "gender"}
    assert set(day.columns) & set(population.columns) == {"customer_id"}


def test_a_customer_pays_at_terminals_within_the_radius() -> None:
    people = USUAL._people
    assert people.place.min() >= 0
    assert people.place.max() <= GRID
    assert people.reach_size.mean() == pytest.approx(2000 * 3.14 * 25 / GRID**2, rel=0.15)


def test_behaviour_and_fraud_change_from_their_day_on() -> None:
    changed = Simulation(
        customers=1000, terminals=2000, days=40, compromised_terminals=0.4, compromised_customers=0.6,
        behaviour=Change(day=20, to=2.0), fraud=Change(day=20, to=5.0),
    )  # fmt: skip
    assert changed.day(19).equals(USUAL.day(19))
    before, after = USUAL.day(35)["amount"].median(), changed.day(35)["amount"].median()
    assert after == pytest.approx(2 * before, rel=0.15)  # type: ignore[operator]
    assert (changed.day(35)["label"] == "fraud").sum() > 2 * (USUAL.day(35)["label"] == "fraud").sum()


def payments(count: int = 200, label: str = "fraud") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(count)],
            "event_time": [1_522_540_800_000_000 + number for number in range(count)],
            "customer_id": "c",
            "terminal_id": "m",
            "amount": 5,
            "currency": "EUR",
            "label": label,
        }
    )


def test_labels_come_within_their_bounds_and_are_the_same_each_time() -> None:
    times = dict(payments().select("transaction_id", "event_time").iter_rows())
    labels = list(Delays(1, 5).labels(payments()))
    days = [(each.label_time - times[each.transaction_id]) / DAY for each in labels]
    assert len(days) == 200
    assert 1 <= min(days) < 1.3
    assert 4.7 < max(days) <= 5
    assert labels == list(Delays(1, 5).labels(payments()))
    assert {each.label_time - times[each.transaction_id] for each in Delays(6, 6).labels(payments())} == {
        6 * DAY
    }


def test_each_seed_is_another_draw_of_the_delays_of_the_same_labels() -> None:
    draws = [{each[1]: each for each in Delays(1, 5, seed=seed).labels(payments())} for seed in (0, 1, 2)]
    assert draws[0] == {each.transaction_id: each for each in Delays(1, 5).labels(payments())}
    assert draws[0].keys() == draws[1].keys() == draws[2].keys()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = [draws[one][name].label_time - draws[other][name].label_time for name in draws[0]]
        assert all(apart)
        assert sum(apart) / len(apart) == pytest.approx(0, abs=0.5 * DAY)


def test_the_command_takes_the_seed_of_the_delays() -> None:
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    assert replay._play(parser.parse_args(["simulate"])).delays == Delays(1, 5)
    assert replay._play(parser.parse_args(["simulate", "--delay-seed", "2"])).delays == Delays(1, 5, seed=2)


def test_genuine_payments_get_labels_only_where_asked_for() -> None:
    assert list(Delays().labels(payments(label="genuine"))) == []
    assert 60 < len(list(Delays(genuine_share=0.5).labels(payments(label="genuine")))) < 140


def test_labels_may_be_repeated_corrected_and_late() -> None:
    assert len(list(Delays(repeated_share=1).labels(payments(10)))) == 20
    corrected = list(Delays(corrected_share=1).labels(payments(10)))
    assert [each.label for each in corrected] == ["fraud", "genuine"] * 10
    assert all(each.label_time > 30 * DAY for each in Delays(late_share=1).labels(payments(10)))


def test_avro_and_json_say_the_same() -> None:
    frame = payments(3).with_columns(channel=pl.Series(["online", None, "atm"]))
    for (key, avro), (json_key, text) in zip(avro_payments(frame), json_payments(frame), strict=True):
        record = {name: value for name, value in wire.decode(avro).items() if value is not None}
        assert key == json_key
        assert record == json.loads(text)
    labels = list(Delays().labels(payments(3)))
    for (_, avro), (_, text) in zip(avro_labels(labels), json_labels(labels), strict=True):
        assert wire.decode(avro) == json.loads(text)


MAPPING = """
SELECT id AS transaction_id, "when"::TIMESTAMP AS event_time, card AS customer_id, shop AS terminal_id,
    round(euros * 100)::BIGINT AS amount, 'EUR' AS currency, CASE WHEN bad THEN 'fraud' END AS label
FROM history
"""
ROWS = """b,2026-01-02 00:00:00,c,m,1.25,false
a,2026-01-01 00:00:00,c,m,2,true
0,2026-01-02 00:00:00,c,m,3,
"""


def history(folder: Path, mapping: str = MAPPING) -> History:
    file, statement = folder / "history.csv", folder / "mapping.sql"
    file.write_text("id,when,card,shop,euros,bad\n" + ROWS)
    statement.write_text(mapping)
    return History(file, statement)


def test_a_csv_is_mapped_by_one_select_and_played_by_time_then_by_its_own_order(tmp_path: Path) -> None:
    source = history(tmp_path)
    (frame,) = source.frames()
    assert source.total() == 3
    assert frame["transaction_id"].to_list() == ["a", "b", "0"]
    assert frame["amount"].to_list() == [200, 125, 300]
    assert frame["event_time"][0] == 1_767_225_600_000_000
    assert frame["label"].to_list() == ["fraud", None, None]


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ("SELECT id AS transaction_id FROM history", "gives no event_time"),
        (MAPPING.replace("round(euros * 100)::BIGINT", "euros"), "amount is DOUBLE"),
        (MAPPING.replace("card AS customer_id", "card AS customer_id, 1 AS shoe"), "shoe are no fields"),
        ("SELEKT", "mapping"),
        (MAPPING.replace("'fraud'", "'bad'"), "label is 'bad'"),
        (MAPPING.replace("shop AS", "NULL AS"), "rows without terminal_id"),
    ],
)
def test_a_mapping_that_cannot_be_is_one_sentence(tmp_path: Path, mapping: str, sentence: str) -> None:
    with pytest.raises(ReplayError, match=sentence):
        list(history(tmp_path, mapping).frames())


class FakePipeline:
    def __init__(self, *answers: tuple[int | None, str] | None) -> None:
        self.answers = list(answers)

    def slowest(self) -> tuple[int | None, str] | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        pass


def loop(pipeline: FakePipeline) -> ClosedLoop:
    made = ClosedLoop(pipeline, 100, lambda: None, stuck_seconds=0.05)  # type: ignore[arg-type]
    made.wait(0, 50, 1)
    return made


def test_the_loop_waits_until_the_slowest_is_close_enough() -> None:
    pipeline = FakePipeline((None, "ingest"), (20, "scoring"), (60, "scoring"))
    loop(pipeline).wait(140, 150, 1)
    assert pipeline.answers == [(60, "scoring")]


def test_the_loop_goes_on_when_nothing_waits() -> None:
    loop(FakePipeline(None)).wait(900, 950, 1)


def test_the_loop_names_a_service_that_stands_still() -> None:
    with pytest.raises(DependencyError, match=r"millrace\.labels"):
        loop(FakePipeline((10, "labels"))).wait(140, 150, 1)


def test_a_group_that_tells_a_later_time_stands_as_much_before_it() -> None:
    told = TopicPartition("examples.v1", 0, 5, Reached(5, None, 300).metadata())
    assert standing("training", told, 9, ahead=100) == Standing("training", 5, 9, 200)
    silent = TopicPartition("examples.v1", 0, 5, "")
    assert standing("training", silent, 9, ahead=100) == Standing("training", 5, 9, None)


def test_the_slowest_is_the_oldest_of_those_with_records_waiting() -> None:
    idle, busy = Standing("a", 5, 5, 1), Standing("b", 4, 5, 7)
    assert slowest([idle, busy]) == (7, "b")
    assert slowest([idle, busy, Standing("c", 0, 1, None)]) == (None, "c")
    assert slowest([idle]) is None
