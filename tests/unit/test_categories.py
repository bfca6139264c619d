"""Values of categorical fields: counted by ingest, within bounds, and told of where they are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from services.ingest.categories import MOST_BYTES, MOST_DIGITS, MOST_VALUES, counted
from services.ingest.sketches import IngestSketches
from services.monitor.monitor import Monitor
from services.monitor.session import Session
from services.monitor.summaries import Sketch, Totals
from shared import wire
from shared.signals import Signal
from shared.sketches import CATEGORICAL, DAY, HOUR, bounded, category, parted
from shared.sketches.categories import MOST_NAMES
from shared.stream import Batch
from shared.wire.framing import HEADER_BYTES
from shared.wire.joined import join
from tests.unit.monitor_sketches import FEATURES, ingest_sketch

SOURCE_BYTES = 12


def payment(number: int, **changes: Any) -> dict[str, Any]:
    usual = {
        "source": bytes(SOURCE_BYTES),
        "transaction_id": f"t{number}",
        "event_time": 1_522_584_000_000_000 + number,
        "accepted_at": 0,
        "customer_id": "c" * (1 + number % 100),
        "terminal_id": f"m{number}",
        "amount": number * 977,
        "currency": "EUR",
        "amount_base": number * 977,
        "channel": "unknown",
        "merchant_category": None,
        "country": None,
        "device_id": None,
        "card_token": None,
    }
    return {**usual, **changes}


def counts(payments: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Written by the schema, and cut where ingest has its two parts: `accepted_at` is one byte here."""
    front = [HEADER_BYTES + SOURCE_BYTES + len(_head(each)) for each in payments]
    values = [wire.encode("transactions.v1", each) for each in payments]
    content = join([value[:first] + value[first + 1 :] for value, first in zip(values, front, strict=True)])
    starts = np.concatenate(([0], content.ends[:-1]))
    parts = np.stack((starts, starts + np.array(front), content.ends), axis=1)
    return counted(content.bytes, parts)


def _head(each: dict[str, Any]) -> bytes:
    name = each["transaction_id"].encode()
    return wire.long_bytes(len(name)) + name + wire.long_bytes(each["event_time"])


def drawn(rows: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(3)
    return [
        payment(
            number,
            currency=str(draw.choice(["EUR", "USD", "GBP"])),
            channel=str(draw.choice(["unknown", "online", "atm", "in_store"])),
            merchant_category=draw.choice([None, *(str(code) for code in range(5000, 5100))]),
            country=draw.choice([None, "DE", "Österreich", "FR"]),
        )
        for number in range(rows)
    ]


def test_categories_are_counted_as_reading_the_fields_one_by_one_counts_them() -> None:
    payments = drawn(2000)
    expected = Counter(
        category(field, each[field])
        for each in payments
        for field in CATEGORICAL
        if each[field] not in (None, "unknown")
    )
    assert counts(payments) == expected
    assert counted(np.empty(0, np.uint8), np.empty((0, 3), np.int64)) == {}


def test_what_may_be_the_number_of_somebody_or_is_long_is_another_value() -> None:
    odd = ["5" * (MOST_DIGITS + 1), "DE12 3456 7", "x" * (MOST_BYTES + 1)]
    kept = ["5" * MOST_DIGITS, "x" * MOST_BYTES]
    found = counts([payment(number, country=text) for number, text in enumerate([*odd, *kept])])
    assert found == {"currency=EUR": 5, "country=": 3, **{category("country", each): 1 for each in kept}}


def test_values_beyond_the_most_of_a_batch_are_others() -> None:
    found = counts([payment(number, country=f"x{number}") for number in range(MOST_VALUES + 10)])
    assert found.pop("country=") == 10
    assert found.pop("currency=EUR") == MOST_VALUES + 10
    assert found == {f"country=x{number}": 1 for number in range(MOST_VALUES)}


def test_a_summary_has_room_for_so_many_categories_and_loses_no_payment() -> None:
    known = {f"country=x{number}" for number in range(MOST_NAMES)}
    assert [bounded(name, known) for name in ("country=x1", "country=DE", "repeat")] == [
        "country=x1",
        "country=",
        "repeat",
    ]
    sketches = IngestSketches("ingest-0", 1)
    for number in range(MOST_NAMES + 50):
        sketches.count(category("country", f"x{number}"), 1)
    sketches.add(batch(0, 1000), HOUR)
    ((closed,),) = [each.values for each in sketches.add(batch(1, 2000), HOUR)]
    sketch = Sketch.from_bytes(closed)
    assert len(sketch.names) == MOST_NAMES + 1
    assert sum(sketch.sums) == MOST_NAMES + 50
    assert sketch.sums[sketch.names.index("country=")] == 50


def test_days_of_sketches_have_room_for_so_many_too() -> None:
    totals = Totals()
    for first in (0, MOST_NAMES // 2, MOST_NAMES):
        names = [category("country", f"x{first + number}") for number in range(MOST_NAMES // 2)]
        totals.add(ingest_sketch(0, first, dict.fromkeys(names, 2)))
    assert len(totals.sums) == len(totals.histograms) == MOST_NAMES + 1
    assert totals.sums["country="] == MOST_NAMES
    assert sum(totals.sums.values()) == 3 * MOST_NAMES


def batch(offset: int, accepted_ms: int) -> Batch:
    places = np.zeros(1, np.int32), np.array([offset]), np.array([accepted_ms])
    return Batch("transactions.raw.v1", [b""], [b""], *places)


def stream(days: int, change: int, **later: int) -> Iterable[Sketch]:
    """Days of 1,000 payments, 900 of them from DE; ``later`` come from elsewhere from a day on."""
    for day in range(days):
        elsewhere = {category("country", name): number for name, number in later.items() if day >= change}
        counts = {"country=DE": 900, "currency=EUR": 1000, **elsewhere}
        sketch = ingest_sketch(day, day, {"payment": 1000, **counts})
        yield msgspec.structs.replace(sketch, count=1000)


def heard(sketches: Iterable[Sketch]) -> list[Signal]:
    monitor = Monitor(None, FEATURES)
    return [signal for sketch in sketches for signal in monitor.take(sketch)]


def alarms(signals: Iterable[Signal]) -> list[Signal]:
    return [each for each in signals if each.signal == "new-categories"]


def test_a_new_country_is_a_warning_on_its_first_day_by_name_and_usual_after_a_week() -> None:
    signals = heard(stream(40, 20, XK=60))
    raised, cleared = alarms(signals)
    assert (raised.severity, (raised.since or 0) // DAY) == ("warning", 20)
    assert (raised.value, raised.limit) == (0.06, 0.01)
    assert "new-categories.country" in raised.detail
    assert "country=XK 60" in raised.detail
    assert ("cleared" in cleared.detail, (cleared.since or 0) // DAY) == (True, 28)
    shares = [each.value for each in signals if each.signal == "new-categories.country"]
    assert shares == [0.0] * 20 + [0.06] * 7 + [0.0] * 12


def test_what_comes_in_the_first_week_is_known_and_a_few_payments_are_no_cause() -> None:
    assert alarms(heard(stream(20, 3, XK=60))) == []
    signals = heard(stream(20, 12, XK=9))
    assert alarms(signals) == []
    assert max(each.value or 0 for each in signals if each.signal == "new-categories.country") == 0.009


def test_a_country_that_did_not_come_for_weeks_is_new_again() -> None:
    gone = [each for each in stream(60, 0, XK=60) if each.day < 10 or each.day >= 50]
    quiet = [each for each in stream(60, 99) if 10 <= each.day < 50]
    signals = alarms(heard(sorted([*gone, *quiet], key=lambda each: each.day)))
    assert [(each.since or 0) // DAY for each in signals if each.severity == "warning"] == [50]


def test_a_flood_of_values_is_a_warning_though_they_are_not_told_apart() -> None:
    calm, flooded = list(stream(20, 99)), []
    for each in calm:
        names = {category("country"): 500} if each.day >= 15 else {}
        known = dict(zip(each.names, map(int, each.sums), strict=True))
        flooded.append(
            msgspec.structs.replace(ingest_sketch(each.day, each.day, {**known, **names}), count=1000)
        )
    (raised,) = alarms(heard(flooded))
    assert (raised.since or 0) // DAY == 15
    assert raised.detail.startswith("raised: other-categories.country.")


def test_categories_are_no_dead_letters() -> None:
    signals = heard(stream(12, 99))
    assert {each.value for each in signals if each.signal == "dead-letters"} == {0.0}
    assert not [each for each in signals if parted(each.signal)], "a metric would be labelled by a value"


@pytest.mark.parametrize("stop", [3, 21, 24])
def test_what_is_known_of_categories_outlives_a_restart(tmp_path: Path, stop: int) -> None:
    fields = Sketch.__struct_fields__
    values = [
        wire.encode("sketches.v1", {name: getattr(each, name) for name in fields})
        for each in stream(40, 20, XK=60)
    ]
    found, session = [], Session(tmp_path / "state", Monitor(None, FEATURES))
    for at, value in enumerate(values):
        if at == stop:
            session.save()
            session = Session(tmp_path / "state", Monitor(None, FEATURES))
            assert session.load()
        found += session.take(at, value)
    assert found == heard(stream(40, 20, XK=60))
