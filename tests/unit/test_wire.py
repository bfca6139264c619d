import contextlib
import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from shared import wire
from tests.unit.test_schemas import example

PAYMENT = {
    "source": wire.source_bytes(1, 5),
    "transaction_id": "payment-1",
    "event_time": 1_522_540_800_000_000,
    "accepted_at": 1_700_000_000_000_000,
    "customer_id": "c1",
    "terminal_id": "t1",
    "amount": 1234,
    "currency": "EUR",
    "amount_base": 1234,
    "channel": "online",
    "merchant_category": None,
    "country": "FR",
    "device_id": None,
    "card_token": None,
}


def payments(count: int) -> list[bytes]:
    return [
        wire.encode("transactions.v1", PAYMENT | {"transaction_id": f"p{row}", "event_time": 10 + row})
        for row in range(count)
    ]


def test_a_grown_record_equals_the_same_record_encoded_whole() -> None:
    matrix = np.arange(15, dtype=np.float32).reshape(1, 15)
    value = wire.encode("transactions.v1", PAYMENT)
    grown = wire.grow(
        wire.join([value]),
        "features.customer.v1",
        np.array([3], np.int32),
        np.array([77]),
        wire.float_block(matrix, 1),
    )
    whole = PAYMENT | {
        "source": wire.source_bytes(3, 77),
        "customer_features": matrix[0].tolist(),
        "customer_features_version": 1,
    }
    assert grown == [wire.encode("features.customer.v1", whole)]


def test_columns_hold_what_a_stock_avro_reader_reads() -> None:
    values = payments(7)
    frame = wire.decode_columns(values)
    for value, row in zip(values, frame.iter_rows(named=True), strict=True):
        body = io.BytesIO(value[5:])
        record = fastavro.schemaless_reader(
            body, fastavro.parse_schema(schemas.avro("transactions.v1")), None
        )
        assert {name: row[name] for name in record} == record


def test_undefined_features_survive_as_nan() -> None:
    matrix = np.array([[np.nan, 1.5]], np.float32)
    values = wire.grow(
        wire.join(payments(1)),
        "features.customer.v1",
        np.zeros(1, np.int32),
        np.zeros(1, np.int64),
        wire.float_block(matrix, 1),
    )
    found = wire.feature_matrix(wire.decode_columns(values, ["customer_features"]), "customer_features")
    assert np.array_equal(found, matrix, equal_nan=True)


def test_sources_and_times_are_found_without_decoding() -> None:
    values = payments(300)
    partitions, offsets = wire.sources(wire.join(values))
    assert set(partitions.tolist()) == {1}
    assert set(offsets.tolist()) == {5}
    assert wire.event_times(wire.join(values)).tolist() == [10 + row for row in range(300)]


@pytest.mark.parametrize(
    "source", [b"", bytes(11), b"\xff" * 12, b"\x7f" + bytes(11), b"\0" * 4 + b"\x80" + bytes(7)]
)
def test_a_source_that_cannot_be_is_refused(source: bytes) -> None:
    framed = wire.encode("transactions.v1", PAYMENT)[:5]
    for values in ([framed + source], [framed + source, *payments(2)]):
        with pytest.raises(wire.WireError):
            wire.sources(wire.join(values))


def test_the_time_of_a_label_is_its_label_time() -> None:
    label = {
        "source": wire.source_bytes(0, 0),
        "transaction_id": "x" * 200,
        "label": "fraud",
        "label_time": -5,
        "origin": "chargeback",
        "accepted_at": 9,
    }
    assert wire.event_times(wire.join([wire.encode("labels.v1", label)])).tolist() == [-5]


@given(st.integers(-(2**63), 2**63 - 1))
def test_long_bytes_are_those_of_avro(number: int) -> None:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, {"type": "long"}, number)
    assert wire.long_bytes(number) == body.getvalue()


@pytest.mark.parametrize(
    "value",
    [b"", b"{}", b"\0\0\0\3\xe8", b"\0\0\0\0\0abc", wire.encode("transactions.v1", PAYMENT) + b"x"],
    ids=["empty", "json", "no body", "unknown schema", "trailing byte"],
)
def test_bytes_that_are_not_one_whole_record_are_refused(value: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(value)


def test_a_record_with_a_field_that_the_schema_lacks_is_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.encode("transactions.v1", PAYMENT | {"cvv": "123"})


@given(st.binary(max_size=200))
def test_decoding_arbitrary_bytes_raises_nothing_but_wire_errors(body: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        wire.decode(b"\0" + wire.schema_id("transactions.v1").to_bytes(4, "big") + body)


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1, 74_378_922_146])
@pytest.mark.parametrize(("name", "field"), [("dead-letters.v1", "partition"), ("sketches.v1", "sizes")])
def test_an_int_of_more_than_32_bits_is_refused(name: str, field: str, number: int) -> None:
    record, largest = example(name), (1 << 31) - 1
    wanted = [[largest], [number]] if field == "sizes" else [largest, number]
    good = wire.encode(name, record | {field: wanted[0]})
    with pytest.raises(wire.WireError, match="32 bits"):
        wire.encode(name, record | {field: wanted[1]})
    assert wire.decode(good)[field] == wanted[0]
    with pytest.raises(wire.WireError, match="32 bits"):
        wire.decode(good.replace(wire.long_bytes(largest), wire.long_bytes(number)))
