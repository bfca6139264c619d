from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.labels.sketches import LabelSketches
from services.labels.stage import LabelsStage, Times
from shared import wire
from shared.settings import Settings
from shared.sketches import DAY
from shared.stream import Batch, Outgoing
from shared.stream.dead_letters import DeadLetters

HORIZON, LAG, CORRECTION = 70, 10, 1200
SCORES, LABELS = "scores.v1", "labels.v1"


def score(name: str, event_time: int) -> tuple[str, str, bytes]:
    record = {
        "source": wire.source_bytes(0, 0),
        "transaction_id": name,
        "event_time": event_time,
        "accepted_at": 0,
        "customer_id": "c",
        "terminal_id": f"t-{name}",
        "amount": 1,
        "currency": "EUR",
        "amount_base": 1,
        "channel": "unknown",
        "customer_features": [1.0],
        "customer_features_version": 1,
        "terminal_features": [2.0],
        "terminal_features_version": 1,
        "score": 0.25,
        "decision": "approve",
        "model_version": "m",
        "policy_version": 1,
    }
    return SCORES, name, wire.encode(SCORES, record)


def label(name: str, is_fraud: bool, label_time: int, origin: str = "chargeback") -> tuple[str, str, bytes]:
    record = {
        "source": wire.source_bytes(0, 0),
        "transaction_id": name,
        "label": "fraud" if is_fraud else "genuine",
        "label_time": label_time,
        "origin": origin,
        "accepted_at": 0,
    }
    return LABELS, name, wire.encode(LABELS, record)


def batch(topic: str, offset: int, name: str, value: bytes) -> Batch:
    return Batch(
        topic, [name.encode()], [value], np.zeros(1, np.int32), np.array([offset]), np.zeros(1, np.int64)
    )


def labels_stage(folder: Path, counts: Counter[str]) -> LabelsStage:
    def count(what: str, number: int) -> None:
        counts[what] += number

    letters = DeadLetters("labels", Settings(keys_folder=folder / "keys"))
    sketches = LabelSketches("labels-0", 1)
    return LabelsStage(folder, Times(HORIZON, LAG, CORRECTION), sketches, letters, count)


@dataclass
class Run:
    """A labels service on a fake log; a crash drops the object, the next goes on from what is applied."""

    records: list[tuple[str, str, bytes]]
    folder: Path
    register: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    outcomes: set[tuple[str, str, int]] = field(default_factory=set)
    letters: list[dict[str, Any]] = field(default_factory=list)
    sketches: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def play(self, crash_before_sending: int | None = None, first: int = 0) -> None:
        counts: Counter[str] = Counter()
        stage = labels_stage(self.folder, counts)
        applied = stage.applied(0)
        places = {SCORES: 0, LABELS: 0}
        for step, (topic, name, value) in enumerate(self.records):
            offset = places[topic]
            places[topic] += 1
            if step < first and offset < applied.get(topic, 0):
                continue
            outgoing = stage.process(batch(topic, offset, name, value))
            if step == crash_before_sending:
                stage.close()
                return
            self.receive(outgoing)
            stage.acknowledged(0, topic, offset + 1)
        self.counts = dict(counts)
        stage.close()

    def receive(self, outgoing: list[Outgoing]) -> None:
        for output in outgoing:
            for value in output.values:
                record = wire.decode(value, output.topic)
                name = record.get("transaction_id", "")
                if output.topic == "examples.v1":
                    fact = (record["label_rank"], record["label_time"], record["label"])
                    self.register[name] = max(fact, self.register.get(name, fact), key=_rank)
                elif output.topic == "outcomes.terminal.v1":
                    self.outcomes.add((name, record["label"], record["label_time"]))
                else:
                    (self.letters if output.topic == "dead-letters.v1" else self.sketches).append(record)


def _rank(fact: tuple[int, int, str]) -> tuple[int, int]:
    return fact[:2]


def play(*records: tuple[str, str, bytes]) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(list(records), Path(folder))
        run.play()
        return run


def test_a_label_after_its_score_makes_an_example_and_an_outcome() -> None:
    run = play(score("a", 100), label("a", True, 150))
    assert run.register == {"a": (1, 150, "fraud")}
    assert run.outcomes == {("a", "fraud", 150)}


def test_a_label_before_its_score_waits_for_it() -> None:
    run = play(label("a", True, 150), score("a", 100))
    assert run.register == {"a": (1, 150, "fraud")}
    assert run.counts["early"] == 1


def test_a_payment_is_genuine_by_implication_once_the_watermark_is_past_horizon_and_lag() -> None:
    at_the_edge = play(score("a", 100), score("b", 100 + HORIZON + LAG))
    beyond = play(score("a", 100), score("b", 100 + HORIZON + LAG + 1))
    assert at_the_edge.register == {}
    assert beyond.register == {"a": (0, 100 + HORIZON, "genuine")}
    assert beyond.outcomes == set()


@pytest.mark.parametrize("is_taken_again", [False, True])
def test_a_horizon_that_passes_within_a_batch_is_seen_once(is_taken_again: bool, tmp_path: Path) -> None:
    records = [score("a", 100), score("b", 100 + HORIZON + LAG + 1), score("c", 90)]
    run = Run(records, tmp_path)
    keys, values = [name.encode() for _, name, _ in records], [value for _, _, value in records]
    places = np.zeros(3, np.int32), np.arange(3), np.zeros(3, np.int64)
    if is_taken_again:
        stage = labels_stage(tmp_path, Counter())
        stage.applied(0)
        stage.process(Batch(SCORES, keys, values, *places))
        stage.close()
    stage = labels_stage(tmp_path, Counter())
    stage.applied(0)
    outgoing = stage.process(Batch(SCORES, keys, values, *places))
    stage.close()
    run.receive(outgoing)
    assert run.register == {"a": (0, 100 + HORIZON, "genuine"), "c": (0, 90 + HORIZON, "genuine")}
    assert [len(each.values) for each in outgoing if each.topic == "examples.v1"] == [2]


def test_a_later_label_corrects_what_was_implied() -> None:
    run = play(score("a", 100), score("b", 300), label("a", True, 290))
    assert run.register["a"] == (1, 290, "fraud")


def test_the_latest_label_wins_whatever_the_order_of_arrival() -> None:
    for labels in ([(True, 150), (False, 160)], [(False, 160), (True, 150)]):
        run = play(score("a", 100), *(label("a", *each) for each in labels))
        assert run.register == {"a": (1, 160, "genuine")}
        assert len(run.outcomes) == 2


def test_of_contradicting_labels_fraud_wins() -> None:
    run = play(score("a", 100), label("a", False, 150), label("a", True, 150))
    assert run.register["a"][:2] == (1, 150)
    assert run.counts["contradicting"] == 1


def test_the_same_label_again_is_counted_and_makes_nothing() -> None:
    run = play(score("a", 100), label("a", True, 150), label("a", True, 150))
    assert run.counts == {"joined": 1, "repeat": 1}


def test_a_label_without_a_score_is_a_dead_letter_at_the_end() -> None:
    run = play(label("nobody", True, 150), score("a", 100), score("b", 150 + CORRECTION + LAG + 1))
    assert run.counts["orphan"] == 1
    assert [(each["topic"], each["offset"], each["reason"]) for each in run.letters] == [
        (LABELS, 0, "orphan_label")
    ]


def test_an_example_carries_the_score_record_with_its_place(tmp_path: Path) -> None:
    stage = labels_stage(tmp_path, Counter())
    stage.applied(0)
    stage.process(batch(*(SCORES, 7), *score("a", 100)[1:]))
    examples = stage.process(batch(*(LABELS, 3), *label("a", True, 150)[1:]))[0]
    record: dict[str, Any] = wire.decode(examples.values[0], "examples.v1")
    assert record["source"] == wire.source_bytes(0, 7)
    assert record["terminal_features"] == [2.0]
    assert (record["score"], record["label"], record["label_origin"]) == (0.25, "fraud", "chargeback")
    stage.close()


def test_scores_are_summarised_by_label_in_the_span_of_what_made_them_known(tmp_path: Path) -> None:
    run = Run([], tmp_path)
    stage = labels_stage(tmp_path, Counter())
    stage.applied(0)
    stage.process(batch(SCORES, 7, *score("a", 100)[1:]))
    stage.process(batch(LABELS, 3, *label("a", True, 150)[1:]))
    stage.process(batch(SCORES, 8, *score("b", 300)[1:]))
    stage.release(0)
    run.receive(stage.idle())
    (known,) = run.sketches
    assert (known["topic"], known["first_offset"], known["last_offset"], known["count"]) == (LABELS, 3, 3, 1)
    width = known["sizes"][0]
    genuine, fraud = known["counts"][:width], known["counts"][width : 2 * width]
    assert genuine[-1] == 1, "the only score is not that of a genuine payment"
    assert sum(fraud[:-1]) == 1
    stage.close()


def test_what_is_known_of_a_days_payments_is_summarised_apart_with_its_losses(tmp_path: Path) -> None:
    run = Run([], tmp_path)
    stage = labels_stage(tmp_path, Counter())
    stage.applied(0)
    for offset, (name, time) in enumerate((("a", 100), ("b", DAY + 100))):
        for topic, record in ((SCORES, score(name, time)), (LABELS, label(name, name == "b", time + 10))):
            run.receive(stage.process(batch(topic, offset, *record[1:])))
    stage.release(0)
    run.receive(stage.idle())
    sums = [dict(zip(each["names"], each["sums"], strict=True)) for each in run.sketches]
    assert [each["first_event_time"] for each in run.sketches] == [100, DAY + 100]
    assert [each["realised_loss"] for each in sums] == [0, 1]
    assert [each["loss_squared_error"] for each in sums] == [0.25**2, 0.75**2]
    assert [each["score_squared_error"] for each in sums] == [0.25**2, 0.75**2]
    stage.close()


NAMES = st.sampled_from("abcd")
RECORDS = st.lists(
    st.one_of(
        st.tuples(NAMES, st.booleans(), st.integers(100, 400)).map(lambda each: label(*each)),
        st.integers(100, 600).map(lambda time: score(f"filler-{time}", time)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.permutations(["a", "b", "c", "d"]), st.data())
def test_a_crash_before_sending_loses_no_fact(
    others: list[tuple[str, str, bytes]], names: list[str], data: st.DataObject
) -> None:
    first = [score(name, 100 + 30 * place) for place, name in enumerate(names)]
    records = data.draw(st.permutations([*first, *others]))
    at = data.draw(st.integers(0, len(records) - 1))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        calm = Run(list(records), Path(folder))
        calm.play()
        broken = Run(list(records), Path(other))
        broken.play(crash_before_sending=at)
        broken.play(first=at)
    explicit = {name for name, fact in calm.register.items() if fact[0] == 1}
    assert {name: _rank(fact) for name, fact in broken.register.items()} == {
        name: _rank(fact) for name, fact in calm.register.items()
    }
    assert broken.outcomes == calm.outcomes
    assert explicit <= set(names) | {name for _, name, _ in records}
