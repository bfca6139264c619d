"""Plain payments are read in columns; each gives what the careful reader gives, or is left to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from services.ingest import written
from services.ingest.columns import PaymentReader
from services.ingest.messages import RawPayment, Reader
from services.ingest.money import currencies
from services.ingest.payments import PaymentChecks
from services.ingest.plain_json import PlainJson
from services.ingest.reasons import InvalidMessage, Reason
from shared import wire
from shared.wire import growth

RAW = "transactions.raw.v1"
MAX_BYTES = 400
CHECKS = PaymentChecks(currencies(schemas.toml("rates"), 10**9), ("card_number", "device_id"), bytes(32), 20)
CAREFUL = Reader(RawPayment, RAW, (MAX_BYTES, 8), lambda count: None)
READER = PaymentReader(CHECKS, CAREFUL, MAX_BYTES)

PLAIN = {
    "transaction_id": "t",
    "event_time": 5,
    "customer_id": "c",
    "terminal_id": "m",
    "amount": 7,
    "currency": "EUR",
}

texts = st.one_of(
    st.text(st.characters(codec="ascii"), max_size=22),
    st.text(max_size=5),
    st.sampled_from(["c1", "EUR", "USD", "JPY", "XXX", "online", "unknown", 'a"b', "a\\b", "\x7f"]),
)
moments = st.datetimes(datetime(1960, 1, 1), datetime(2110, 1, 1))
times = st.one_of(
    st.integers(-5, 2**63),
    moments.map(lambda moment: moment.isoformat() + "Z"),
    moments.map(lambda moment: moment.isoformat() + "+02:00"),
    st.sampled_from(["2020-02-30T00:00:00Z", "2021-02-29T00:00:00Z", "2020-02-29T23:59:60Z", "2020-01-01"]),
)
good = st.fixed_dictionaries(
    {
        "transaction_id": st.just("t1"),
        "event_time": times,
        "customer_id": st.just("c1"),
        "terminal_id": st.just("m1"),
        "amount": st.one_of(st.integers(0, 10**9), st.sampled_from([-1, 10**12, 2**62, 10**30, 0.5, True])),
        "currency": st.sampled_from(["EUR", "USD", "JPY", "KWD", "XXX"]),
    }
)
optional = st.dictionaries(
    st.sampled_from(
        ["channel", "merchant_category", "country", "device_id", "card_number", "other", "amount"]
    ),
    st.one_of(texts, st.none(), st.sampled_from(["online", "atm", "4111111111111111"])),
    max_size=4,
)
anything = st.dictionaries(st.sampled_from(RawPayment.__struct_fields__), st.one_of(texts, times, st.none()))
content = st.one_of(st.builds(lambda a, b: {**a, **b}, good, optional), anything)


def careful(value: bytes) -> Any:
    try:
        payment = CHECKS.check(CAREFUL.read(value))
    except InvalidMessage as invalid:
        return invalid.reason
    return payment.transaction_id, payment.customer_id, payment.event_time, payment.front + payment.back


def in_columns(values: list[bytes]) -> list[Any]:
    found: list[Any] = [None] * len(values)
    payments = READER.read(values, lambda row, invalid: found.__setitem__(row, invalid.reason))
    for row, name, customer, time, (first, _, last) in zip(
        payments.rows.tolist(),
        payments.names,
        payments.customers,
        payments.event_times.tolist(),
        payments.parts.tolist(),
        strict=True,
    ):
        found[row] = name, customer, time, payments.content[first:last].tobytes()
    return found


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    in_columns([b"{}", wire.encode(RAW, {**PLAIN, "card_number": "4111"})])


def encoded(fields: dict[str, Any], separators: tuple[str, str]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=separators).encode(errors="surrogatepass")


@given(
    st.lists(
        st.tuples(content, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")])),
        min_size=1,
        max_size=4,
    )
)
def test_json_in_columns_is_what_the_careful_reader_reads(drawn: list[tuple[dict[str, Any], Any]]) -> None:
    values = [encoded(*each) for each in drawn]
    assert in_columns(values) == [careful(value) for value in values]


@given(content.map(lambda fields: encoded(fields, (",", ":"))), st.data())
def test_damaged_json_in_columns_is_what_the_careful_reader_reads(value: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(value)))
    damage = data.draw(st.sampled_from([b"", b'"', b"\\", b"{", b"}", b",", b" ", b"1", b"\0", b"e5"]))
    damaged = value[:at] + damage + value[at + data.draw(st.integers(0, 2)) :]
    assert in_columns([damaged, value]) == [careful(damaged), careful(value)]


@given(
    st.lists(st.binary(max_size=60).map(lambda body: wire.join([b"\0", body]).content), max_size=3),
    good,
    st.data(),
)
def test_avro_in_columns_is_what_the_careful_reader_reads(
    wild: list[bytes], fields: dict[str, Any], data: st.DataObject
) -> None:
    record = {
        **fields,
        "event_time": data.draw(st.integers(-5, 2**62)),
        "amount": data.draw(st.integers(-5, 2**62)),
    }
    record |= {
        "card_number": data.draw(st.one_of(st.none(), texts)),
        "channel": data.draw(st.one_of(st.none(), texts)),
    }
    value = wire.encode(RAW, {name: field for name, field in record.items() if field is not None})
    cut = value[: data.draw(st.integers(0, len(value)))]
    values = [value, cut, value + b"\0", *wild, b'{"amount": 1}']
    assert in_columns(values) == [careful(each) for each in values]


def test_a_usual_payment_is_plain_in_both_forms() -> None:
    fields = {**PLAIN, "card_number": "4111"}
    text = json.dumps(
        {**fields, "event_time": datetime(2020, 2, 29, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    )
    places, is_plain = PlainJson(RAW).places(wire.join([text.encode(), json.dumps(fields).encode()]))
    assert is_plain.all()
    assert places[:, 1, 0].tolist() == [1_582_938_000_000_000, 5]
    assert in_columns([wire.encode(RAW, fields)])[0][:3] == (b"t", b"c", 5)


def test_an_oversize_payment_is_refused_though_it_is_plain() -> None:
    assert in_columns([b"{" + b" " * MAX_BYTES + b"}"]) == [Reason.OVERSIZE]


def test_the_digest_is_the_published_fnv_1a_of_64_bits() -> None:
    found = written.digests(np.frombuffer(b"foobar", np.uint8), np.array([[0, 3, 6]]))
    assert found.astype(np.uint64).tolist() == [0x85944171F73967E8]


def test_the_compiled_loops_name_the_digest_of_what_they_inline() -> None:
    assert sha256(Path(growth.__file__).read_bytes()).hexdigest().startswith(written.GROWTH_DIGEST)
