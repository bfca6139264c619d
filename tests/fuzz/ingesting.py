"""Raw bytes through the ingest stage, and what must hold of whatever comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from services.cli.demo.poison import KINDS, poison
from services.ingest.messages import RawLabel, RawPayment
from shared import wire
from tests.fuzz.framed import is_canonical
from tests.fuzz.target import ANYTHING, Execution, Target, check, structured
from tests.unit.test_ingest import DAY, LABELS, NOON, PAYMENTS, Ingest
from tests.unit.test_schemas import example

OUTPUTS = {PAYMENTS: "transactions.v1", LABELS: "labels.v1"}
CANNOT_BE_READ = ("unparsable", "trailing_bytes")
FRESH_AFTER = 2000  # records until the stage begins anew, so that the newest time stays near the seeds'
LONGEST_DETAIL = 300
ADDED = {"source", "accepted_at", "amount_base", "card_token"}


class Ingesting:
    """Takes one raw record an execution, each ending as exactly one output, repeat or dead letter."""

    def __init__(self, folder: Path, topic: str) -> None:
        self._folder, self._topic = folder, topic
        self._taken = self._fresh = 0
        self._ingest = Ingest(folder / "0")
        self._ingest.take(*seeds(topic), topic=topic)  # compiles what reads them beforehand
        self._renew()

    def __call__(self, value: bytes) -> None:
        self._taken += 1
        if self._taken % FRESH_AFTER == 0:
            self._renew()
        repeats = self._ingest.counts["repeat"]
        output = self._ingest.take(value, topic=self._topic)
        letters, records = output.pop("dead-letters.v1", []), output.pop(OUTPUTS[self._topic], [])
        output.pop("sketches.v1", None)
        check(not output, "an output for a topic that ingest does not write")
        ends = len(letters) + len(records) + self._ingest.counts["repeat"] - repeats
        check(ends == 1, f"one record ended {ends} times")
        for letter in letters:
            _check_letter(letter, value, self._topic)
        for record in records:
            self._check_record(record, value)

    def _check_record(self, record: dict[str, Any], value: bytes) -> None:
        known = _read(value, self._topic)
        check(known is not None, "taken, and a plain reader cannot read it")
        assert known is not None
        check(known["transaction_id"] == record["transaction_id"], "another id than a plain reader reads")
        framed = wire.encode(OUTPUTS[self._topic], record)
        (row,) = wire.decode_columns([framed]).to_dicts()
        check(row["transaction_id"] == record["transaction_id"], "columns hold another id")
        if record.get("card_token") is None:
            self._check_same_as_avro(record)

    def _check_same_as_avro(self, record: dict[str, Any]) -> None:
        raw = {name: field for name, field in record.items() if name not in ADDED}
        repeats = self._ingest.counts["repeat"]
        again = self._ingest.take(wire.encode(self._topic, raw), topic=self._topic)
        if self._topic == PAYMENTS:
            is_same = not again and self._ingest.counts["repeat"] == repeats + 1
        else:
            (other,) = again[OUTPUTS[self._topic]]
            is_same = {**other, "source": b""} == {**record, "source": b""}
        check(is_same, "the same record in Avro is not taken as the same")

    def _renew(self) -> None:
        self._ingest.stage.close()
        self._fresh += 1
        self._ingest = Ingest(self._folder / str(self._fresh))


def _check_letter(letter: dict[str, Any], value: bytes, topic: str) -> None:
    detail = letter["detail"]
    check(
        detail.isprintable() and 0 < len(detail) <= LONGEST_DETAIL, "a detail that is not one short sentence"
    )
    if letter["reason"] in CANNOT_BE_READ:
        known = _read(value, topic)
        is_refused_rightly = known is None or (value[:1] == b"\0" and not is_canonical(value, known))
        check(is_refused_rightly, f"a plain reader reads what is refused as {letter['reason']}")


def _read(value: bytes, topic: str) -> dict[str, Any] | None:
    """A raw record by fastavro or by the json module; None if it is none, or says something twice."""
    if value[:1] == b"\0":
        try:
            return wire.decode(value, topic)
        except wire.WireError:
            return None
    try:
        content = json.loads(value.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name stands twice")
    return content


def _refuse(name: str) -> None:
    raise ValueError(name)


_ID = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=66)
_TIME = st.integers(NOON - 8 * DAY, NOON + 8 * DAY) | st.datetimes(timezones=st.timezones()).map(
    lambda time: time.isoformat()
)
_NEAR: dict[str, st.SearchStrategy[Any]] = {
    "event_time": _TIME,
    "label_time": _TIME,
    "amount": st.integers(-1, 1 << 64),
    "currency": st.sampled_from(["EUR", "USD", "JPY", "XXX"]),
    "channel": st.sampled_from(["online", "unknown", "pigeon"]),
    "label": st.sampled_from(["fraud", "genuine", "maybe"]),
}
_FIELDS = {PAYMENTS: RawPayment.__struct_fields__, LABELS: RawLabel.__struct_fields__}


@st.composite
def raw_records(draw: st.DrawFn, topic: str) -> bytes:
    """Raw records whose fields are all near what they should be."""
    usual = {name: _NEAR.get(name, _ID) for name in _FIELDS[topic]}
    record = draw(st.fixed_dictionaries(usual))
    for name in draw(st.lists(st.sampled_from([*usual, "shop", "cvv", "pin_block"]), max_size=2)):
        record[name] = draw(ANYTHING)
    for name in draw(st.sets(st.sampled_from(list(usual)), max_size=1)):
        record.pop(name)
    if draw(st.booleans()):
        try:
            return wire.encode(topic, record) + draw(st.sampled_from([b"", b"", b"\0"]))
        except wire.WireError:
            pass
    return json.dumps(record, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def seeds(topic: str) -> Iterator[bytes]:
    """Yield raw records of a topic: good ones, and what poisons the stream in the demo."""
    good = example(topic)
    yield wire.encode(topic, good)
    yield json.dumps(good).encode()
    yield json.dumps(good, indent=1).replace("1522584000000000", '"2018-04-01T14:00:00.5+02:00"').encode()
    yield json.dumps(good).replace("t", "\\u0074").encode()
    for number in range(len(KINDS)):
        yield from (each.value for each in poison(number, NOON) if each.topic == topic)


def _structured(folder: Path, topic: str) -> Execution:
    return structured(raw_records(topic), Ingesting(folder, topic))


TARGETS = {
    "payments": Target(partial(Ingesting, topic=PAYMENTS), partial(seeds, PAYMENTS)),
    "labels": Target(partial(Ingesting, topic=LABELS), partial(seeds, LABELS)),
    "payments-structured": Target(partial(_structured, topic=PAYMENTS)),
    "labels-structured": Target(partial(_structured, topic=LABELS)),
}
