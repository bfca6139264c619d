"""The books: every raw record became a payment, a label, a counted repeat or a dead letter."""

from __future__ import annotations

from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import HOST
from deploy.local.stack import Stack
from shared import wire
from shared.settings import Settings
from shared.stream.clients import read_topic

CHUNK = 20_000


def settle(stack: Stack) -> tuple[dict[str, Any], list[str]]:
    """Return the counts, and a sentence for each that does not add up."""
    settings = stack.settings
    payments, labels = _records(settings, "transactions.raw.v1"), _records(settings, "labels.raw.v1")
    letters = _places(settings)
    accepted, scored = _ids(settings, "transactions.v1"), _ids(settings, "scores.v1")
    repeats = _repeats(stack)
    result = {
        "payments": payments,
        "scored": len(scored),
        "alerts": len(_ids(settings, "alerts.v1")),
        "dead_letters": len(letters),
        "repeats": repeats,
        "labels": labels,
        "examples": len(_ids(settings, "examples.v1")),
    }
    amiss = []
    good = len(accepted) + _records(settings, "labels.v1")
    if payments + labels != good + len(letters) + repeats:
        amiss.append(
            f"{payments + labels} raw records, but {good} taken, {repeats} repeats and "
            f"{len(letters)} dead letters"
        )
    if accepted != scored:
        amiss.append(f"{len(accepted - scored)} payments were taken and not scored")
    restarts = {each.service: each.restarts for each in stack.supervisor.statuses() if each.restarts}
    if restarts:
        amiss.append(f"services had to be started again: {restarts}; see the logs")
    return result, amiss


def _records(settings: Settings, topic: str) -> int:
    return sum(1 for _ in read_topic(settings, topic))


def _ids(settings: Settings, topic: str) -> set[str]:
    values = [message.value() or b"" for message in read_topic(settings, topic)]
    if topic == "alerts.v1":
        return {wire.decode(value, topic)["transaction_id"] for value in values}
    found: set[str] = set()
    for at in range(0, len(values), CHUNK):
        frame = wire.decode_columns(values[at : at + CHUNK], ["transaction_id"])
        found.update(frame["transaction_id"].to_list())
    return found


def _places(settings: Settings) -> set[tuple[str, int, int]]:
    letters = [wire.decode(m.value() or b"") for m in read_topic(settings, "dead-letters.v1")]
    return {(each["topic"], each["partition"], each["offset"]) for each in letters}


def _repeats(stack: Stack) -> int:
    url = f"http://{HOST}:{stack.supervisor.port('ingest')}/metrics"
    with urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "millrace_ingest_total" and sample.labels.get("result") == "repeat":
                return int(sample.value)
    return 0
