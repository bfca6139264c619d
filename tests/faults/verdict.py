"""The verdict over what Kafka holds, against one thread that took the same raw records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import wire
from shared.settings import Settings
from shared.stream.clients import read_topic
from tests.faults import whole
from tests.faults.reading import STREAM, Reading, Sent, parsed
from tests.faults.single import SingleThread

CRASHED = "crashed_service"
Digests = Mapping[str, bytes]
Readings = Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares readings and facts with what one thread gave."""

    settings: Settings
    single: SingleThread

    @classmethod
    def of(cls, settings: Settings, folder: Path) -> Judge:
        """Take the raw records of Kafka through all stages in one thread."""
        return cls(settings, whole.single_thread(settings, folder))

    def stream(self, readings: Readings) -> dict[str, int]:
        """Return what is wrong in a reader's view of the stream's topics, all zero where nothing is."""
        found: Counter[str] = Counter()
        for topic, reading in readings.items():
            found.update(compared(self._expected(topic), reading))
        return dict(found)

    def facts(self) -> dict[str, int]:
        """Return what is wrong in examples, outcomes and dead letters."""
        found: Counter[str] = Counter()
        for topic, chosen in (("examples.v1", whole.examples), ("outcomes.terminal.v1", whole.outcomes)):
            expected, read = chosen(self._logged(topic)), chosen(self._read(topic))
            found.update(_differences(_contents(expected), _contents(read)))
        expected, letters = _letters(self._logged("dead-letters.v1")), _letters(self._read("dead-letters.v1"))
        found.update(_differences(expected, letters))
        return dict(found)

    def _expected(self, topic: str) -> Digests:
        records = map(parsed, self._logged(topic))
        return {record.name: record.digest for record in records}

    def _logged(self, topic: str) -> list[bytes]:
        return [record.value for log in self.single.logs.get(topic, []) for record in log]

    def _read(self, topic: str) -> list[bytes]:
        return [message.value() or b"" for message in read_topic(self.settings, topic)]


def reread(settings: Settings, sent: Mapping[str, Sent]) -> dict[str, Reading]:
    """Return the stream's topics as a reader sees them who comes when all is over."""
    readings = {name: Reading(name, sent) for name in STREAM}
    for name, reading in readings.items():
        for message in read_topic(settings, name):
            reading.take(message.partition() or 0, message.key() or b"", message.value() or b"")
    return readings


def compared(expected: Digests, reading: Reading) -> dict[str, int]:
    """Return what is wrong in a reading."""
    found = _differences(expected, reading.accepted)
    return {
        **found,
        "repeats": reading.doubled,
        "inversions": reading.inverted,
        "misplaced": reading.misplaced,
    }


def _differences(expected: Mapping[Any, object], found: Mapping[Any, object]) -> dict[str, int]:
    return {
        "missing": len(expected.keys() - found.keys()),
        "unknown": len(found.keys() - expected.keys()),
        "different": sum(expected[name] != found[name] for name in expected.keys() & found.keys()),
    }


def _contents(records: Mapping[Any, bytes]) -> dict[Any, bytes]:
    """Return records without their source, which differs from log to log."""
    return {name: parsed(value).digest for name, value in records.items()}


def _letters(values: list[bytes]) -> dict[tuple[str, int, int], str]:
    """Return the reason of each place in the dead letters; the first letter of a place counts."""
    found: dict[tuple[str, int, int], str] = {}
    for value in values:
        letter = wire.decode(value, "dead-letters.v1")
        if letter["reason"] == CRASHED:  # of a record that nobody wrote by the rules
            continue
        found.setdefault((letter["topic"], letter["partition"], letter["offset"]), letter["reason"])
    return found
