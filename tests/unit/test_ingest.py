from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schemas
from services.ingest.money import currencies
from services.ingest.payments import PaymentChecks
from services.ingest.sketches import IngestSketches
from services.ingest.stage import IngestStage
from shared import wire
from shared.settings import Settings, SettingsError
from shared.stream import Batch
from shared.stream.dead_letters import DeadLetters

PAYMENTS, LABELS = "transactions.raw.v1", "labels.raw.v1"
NOON = 1_522_584_000_000_000
DAY = 86_400_000_000
KEY = bytes(32)


class Ingest:
    """An ingest stage on one partition, with what it gave by topic."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        settings = Settings(keys_folder=folder / "keys", ingest=changes)
        self.letters = DeadLetters("ingest", settings)
        rates = currencies(schemas.toml("rates"), settings.ingest.max_amount)
        checks = PaymentChecks(rates, settings.ingest.token_fields, KEY, settings.ingest.max_id_length)
        self.counts: Counter[str] = Counter()
        sketches = IngestSketches("ingest-0", 1)
        self.stage = IngestStage(
            folder, settings.ingest, checks, self.letters, settings.topic, self._count, sketches
        )
        self.applied = self.stage.applied(0)
        self.next = {PAYMENTS: 0, LABELS: 0}

    def _count(self, result: str, number: int) -> None:
        self.counts[result] += number

    def take(self, *values: bytes, topic: str = PAYMENTS, accepted_ms: int = 5) -> dict[str, list[Any]]:
        first = self.next[topic]
        self.next[topic] += len(values)
        batch = Batch(
            topic,
            [b"key"] * len(values),
            values,
            np.zeros(len(values), np.int32),
            np.arange(first, first + len(values)),
            np.full(len(values), accepted_ms),
        )
        outgoing = self.stage.process(batch)
        return {each.topic: [wire.decode(value, each.topic) for value in each.values] for each in outgoing}

    def reasons(self, *values: bytes, **options: Any) -> list[str]:
        return [each["reason"] for each in self.take(*values, **options).get("dead-letters.v1", [])]


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    made = Ingest(tmp_path)
    yield made
    made.stage.close()


def fields(**changes: Any) -> dict[str, Any]:
    usual = {
        "transaction_id": "t1",
        "event_time": NOON,
        "customer_id": "c1",
        "terminal_id": "m1",
        "amount": 1999,
        "currency": "USD",
    }
    return {name: value for name, value in (usual | changes).items() if value != "absent"}


def payment(**changes: Any) -> bytes:
    return json.dumps(fields(**changes)).encode()


def label(**changes: Any) -> bytes:
    usual = {"transaction_id": "t1", "label": "fraud", "label_time": NOON, "origin": "chargeback"}
    return json.dumps(usual | changes).encode()


def test_a_payment_is_written_with_its_place_and_its_amount_in_the_base_currency(ingest: Ingest) -> None:
    ingest.take(payment(transaction_id="t0"))
    (record,) = ingest.take(payment(channel="online"))["transactions.v1"]
    assert record == {
        **fields(channel="online"),
        "source": wire.source_bytes(0, 1),
        "accepted_at": 5000,
        "amount_base": 1851,  # 19.99 USD at 1.08 to the euro
        "merchant_category": None,
        "country": None,
        "device_id": None,
        "card_token": None,
    }


def test_avro_json_with_a_time_as_text_and_json_with_escapes_give_the_same_record(ingest: Ingest) -> None:
    avro = wire.encode(PAYMENTS, fields(transaction_id="a"))
    text = payment(transaction_id="b", event_time="2018-04-01T12:00:00Z")
    offset = payment(transaction_id="c", event_time="2018-04-01T14:00:00+02:00")
    escaped = payment(transaction_id="d").replace(b"c1", b"\\u0063\\u0031")
    records = ingest.take(avro, text, offset, escaped)["transactions.v1"]
    alike = [{k: v for k, v in each.items() if k not in ("source", "transaction_id")} for each in records]
    assert len(alike) == 4
    assert all(each == alike[0] for each in alike)


BAD: Sequence[tuple[str, bytes]] = (
    ("unparsable", b"{"),
    ("unparsable", b""),
    ("unparsable", b"\xff\xfe"),
    ("unparsable", b'{"amount": NaN}'),
    ("unparsable", payment().replace(b"c1", b"\x8c1")),
    ("unparsable", payment()[:-1] + b', "amount": 5}'),
    ("unparsable", wire.encode(PAYMENTS, fields())[:-9]),
    ("wrong_type", payment(amount="5")),
    ("wrong_type", payment(amount=5.5)),
    ("wrong_type", payment(amount=True)),
    ("wrong_type", payment(event_time="yesterday")),
    ("wrong_type", payment(event_time="2018-04-01T12:00:00")),
    ("wrong_type", payment(event_time=-1)),
    ("wrong_type", payment(channel="pigeon")),
    ("wrong_type", b"[1]"),
    ("missing_field", payment(customer_id="absent")),
    ("unknown_currency", payment(currency="XXX")),
    ("amount_out_of_range", payment(amount=-1)),
    ("amount_out_of_range", payment(amount=10**40)),
    ("id_too_long", payment(customer_id="c" * 65)),
    ("invalid_text", payment(terminal_id="")),
    ("invalid_text", payment(terminal_id="m\n1")),
    ("invalid_text", payment(terminal_id="\ud800")),
    ("unknown_schema", b"\0\0\0\0\x09" + b"x" * 20),
    ("unknown_schema", wire.encode(LABELS, json.loads(label()))),
    ("oversize", payment(country="F" * 65_536)),
    ("nested_too_deep", b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ("nested_too_deep", b"[" * 60_000),
    ("trailing_bytes", payment() + b"{}"),
    ("trailing_bytes", wire.encode(PAYMENTS, fields()) + b"\0"),
    ("forbidden_field", payment(cvv="123")),
    ("forbidden_field", payment(card={"track_2": "x"})),
    ("time_too_old", payment(event_time=NOON - 7 * DAY - 1)),
    ("time_in_the_future", payment(event_time=NOON + 7 * DAY + 1)),
)


@pytest.mark.parametrize(("reason", "value"), BAD)
def test_a_bad_payment_is_a_dead_letter_with_its_reason(ingest: Ingest, reason: str, value: bytes) -> None:
    ingest.take(payment(transaction_id="good"))
    output = ingest.take(value)
    (letter,) = output.pop("dead-letters.v1")
    assert output == {}
    assert (letter["reason"], letter["partition"], letter["offset"]) == (reason, 0, 1)
    kept = ingest.letters.open(letter)
    assert kept is None if reason == "forbidden_field" else kept == (b"key", value[:65_536])


def test_bytes_that_may_hold_a_verification_code_are_not_kept_though_unparsable(ingest: Ingest) -> None:
    (letter,) = ingest.take(b'{"cvv": "123"')["dead-letters.v1"]
    assert (letter["reason"], letter["encrypted_value"]) == ("unparsable", None)


def test_a_retry_is_counted_and_other_content_under_its_id_refused(ingest: Ingest) -> None:
    ingest.take(payment())
    assert ingest.take(payment(), wire.encode(PAYMENTS, fields())) == {}
    assert ingest.counts == {"payment": 1, "repeat": 2}
    assert ingest.reasons(payment(amount=1)) == ["repeated_id_other_content"]
    assert ingest.take(payment(transaction_id="t2"), payment(transaction_id="t2"))["transactions.v1"]
    assert ingest.counts["repeat"] == 3


def test_an_id_may_come_again_after_its_horizon(ingest: Ingest) -> None:
    ingest.take(payment())
    ingest.take(payment(transaction_id="t2", event_time=NOON + 5 * DAY))
    ingest.take(payment(transaction_id="t3", event_time=NOON + 10 * DAY))
    again = payment(event_time=NOON + 10 * DAY)
    assert len(ingest.take(again)["transactions.v1"]) == 1


def test_a_stream_that_paused_for_a_month_goes_on(ingest: Ingest) -> None:
    ingest.take(payment())
    month_ms = 30 * 86_400_000
    later = payment(transaction_id="t2", event_time=NOON + 30 * DAY)
    assert ingest.reasons(later) == ["time_in_the_future"]
    assert len(ingest.take(later, accepted_ms=month_ms)["transactions.v1"]) == 1


def test_card_numbers_become_keyed_tokens(ingest: Ingest) -> None:
    card = "4111111111111111"
    outputs = ingest.take(payment(card_number=card), payment(transaction_id="t2", card_number=card))
    first, second = (each["card_token"] for each in outputs["transactions.v1"])
    assert first == second
    assert len(first) == 32
    assert card not in str(outputs)


def test_a_customer_id_can_be_a_token_too_and_an_unknown_field_cannot(tmp_path: Path) -> None:
    made = Ingest(tmp_path, token_fields=("card_number", "customer_id"))
    (record,) = made.take(payment())["transactions.v1"]
    assert len(record["customer_id"]) == 32
    made.stage.close()
    with pytest.raises(SettingsError, match="token_fields"):
        Ingest(tmp_path / "other", token_fields=("shoe_size",))


def test_fields_that_are_not_known_are_counted_and_not_kept(ingest: Ingest) -> None:
    (record,) = ingest.take(payment(shop="x", till=4))["transactions.v1"]
    assert "shop" not in record
    assert ingest.counts["unknown_field"] == 2


def test_labels_are_checked_and_written(ingest: Ingest) -> None:
    (record,) = ingest.take(label(), topic=LABELS)["labels.v1"]
    assert record == {
        **json.loads(label()),
        "source": wire.source_bytes(0, 0),
        "accepted_at": 5000,
    }
    late = ingest.take(label(label_time=NOON - 90 * DAY), topic=LABELS)
    assert len(late["labels.v1"]) == 1, "a label may come as late as it likes"
    bad = (label(label="maybe"), label(label_time=NOON + 61 * DAY), b"nothing", label(origin=""))
    reasons = ["invalid_text", "time_in_the_future", "unparsable", "wrong_type"]
    assert sorted(ingest.reasons(*bad, topic=LABELS)) == reasons


@pytest.mark.parametrize("acknowledged", [0, 3, 6])
def test_records_taken_again_after_a_crash_give_the_same_bytes(tmp_path: Path, acknowledged: int) -> None:
    values = [
        payment(transaction_id="a"),
        payment(transaction_id="b", event_time=NOON + 3 * DAY),
        payment(transaction_id="a"),
        payment(transaction_id="c", event_time=NOON + 6 * DAY),
        payment(transaction_id="d", event_time=NOON - 2 * DAY),
        payment(transaction_id="b", amount=7, event_time=NOON + 3 * DAY),
        payment(transaction_id="e", event_time=NOON + 12 * DAY),
        payment(transaction_id="f", event_time=NOON + 20 * DAY),
        payment(transaction_id="a"),
        payment(transaction_id="c", event_time=NOON + 6 * DAY),
    ]
    first = Ingest(tmp_path)
    outputs = [_kept(first.take(value)) for value in values]
    if acknowledged:
        first.stage.acknowledged(0, PAYMENTS, acknowledged)
    first.stage.close()
    second = Ingest(tmp_path)
    assert second.applied[PAYMENTS] == len(values)
    second.next[PAYMENTS] = acknowledged
    assert [_kept(second.take(value)) for value in values[acknowledged:]] == outputs[acknowledged:]
    second.stage.close()


def _kept(output: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What must be the same again: ciphers never are, nor which records a sketch sums up."""
    return {
        topic: [{k: v for k, v in each.items() if not k.startswith("encrypted")} for each in records]
        for topic, records in output.items()
        if topic != "sketches.v1"
    }


def test_sketches_tell_the_categories_of_what_was_taken_however_it_was_read(ingest: Ingest) -> None:
    plain = payment(country="DE", channel="online", merchant_category="5411")
    careful = payment(transaction_id="t2", country="Österreich")
    ingest.take(plain, careful, plain, payment(transaction_id="t3", currency="XXX", country="FR"))
    later = ingest.take(payment(transaction_id="t4"), accepted_ms=5000)
    (sketch,) = later["sketches.v1"]
    assert dict(zip(sketch["names"], sketch["sums"], strict=True)) == {
        "payment": 2,
        "repeat": 1,
        "unknown_currency": 1,
        "currency=USD": 2,
        "channel=online": 1,
        "merchant_category=5411": 1,
        "country=DE": 1,
        "country=Österreich": 1,
    }
