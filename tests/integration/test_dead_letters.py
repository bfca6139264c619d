"""Bad input of every kind, and its way back."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import schemas
from services.cli import dead_letters
from services.cli.demo.poison import KINDS, Poison, poison
from services.ingest.money import currencies
from services.ingest.payments import PaymentChecks
from services.ingest.sketches import IngestSketches
from services.ingest.stage import IngestStage
from services.replay.sender import Sender
from shared import wire
from shared.settings import Settings
from shared.stream.clients import read_topic
from shared.stream.dead_letters import DeadLetters
from shared.stream.loop import Loop
from shared.stream.service import build
from shared.telemetry import Telemetry
from tests.waiting import wait_for

NOON = 1_522_584_000_000_000
BAD_RECORDS = 200


def ingest(settings: Settings, greatest_amount: int = 10_000_000) -> Loop:
    """Ingest as its service composes it, stepped by the test."""
    rates = currencies(schemas.toml("rates"), greatest_amount)
    checks = PaymentChecks(rates, settings.ingest.token_fields, settings.secret("tokens"), 64)
    letters = DeadLetters("ingest", settings)
    folder = settings.state_folder / "ingest"
    sketches = IngestSketches("ingest-0", 1)
    stage = IngestStage(
        folder, settings.ingest, checks, letters, settings.topic, lambda what, number: None, sketches
    )
    loop = build(stage, settings, "ingest", Telemetry("ingest"))
    loop.subscribe()
    return loop


def drain(loop: Loop, settings: Settings, records: int) -> None:
    """Step until so many outputs are there, then leave in order."""

    def is_done() -> bool:
        loop.step()
        return outputs(settings) >= records

    wait_for(is_done, 60, f"{records} outputs")
    loop.stop()


def outputs(settings: Settings) -> int:
    topics = ("transactions.v1", "labels.v1", "dead-letters.v1")
    return sum(1 for topic in topics for _ in read_topic(settings, topic))


def send(settings: Settings, records: list[Poison]) -> None:
    sender = Sender(settings, ())
    for record in records:
        sender.send(record.topic, [(record.key, record.value)])
    sender.flush()


def letters(settings: Settings) -> list[dict[str, Any]]:
    return [wire.decode(m.value() or b"", "dead-letters.v1") for m in read_topic(settings, "dead-letters.v1")]


def test_two_hundred_bad_records_of_every_kind_are_dead_letters_once_with_their_reasons(
    settings: Settings,
) -> None:
    records = [record for number in range(BAD_RECORDS) for record in poison(number, NOON)]
    bad = [record for record in records if record.reason]
    assert len(bad) == BAD_RECORDS
    assert len({record.reason for record in bad}) >= 15
    assert len(KINDS) >= 15
    send(settings, records)
    drain(ingest(settings), settings, len(records))
    found = letters(settings)
    assert len({(each["topic"], each["partition"], each["offset"]) for each in found}) == len(found)
    assert Counter(each["reason"] for each in found) == Counter(record.reason for record in bad)
    opener = DeadLetters("test", settings)
    kept = Counter((each["reason"], content[0]) for each in found if (content := opener.open(each)))
    due = Counter((each.reason, each.key) for each in bad if each.reason != "forbidden_field")
    assert kept == due


def payment(number: int, amount: int) -> Poison:
    content = {
        "transaction_id": f"t{number}",
        "event_time": NOON,
        "customer_id": f"c{number}",
        "terminal_id": "m",
        "amount": amount,
        "currency": "EUR",
    }
    return Poison("transactions.raw.v1", b"c%d" % number, json.dumps(content).encode(), "")


def command(settings: Settings, *words: str) -> int:
    parser = argparse.ArgumentParser()
    dead_letters.add_arguments(parser)
    return dead_letters.run(parser.parse_args([*words, "-o", "json"]), settings)


def test_letters_are_checked_again_when_replayed_and_sent_only_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    send(settings, [payment(number, 500) for number in range(3)] + [payment(9, -1)])
    drain(ingest(settings, greatest_amount=100), settings, 4)
    assert command(settings, "list", "--reason", "amount_out_of_range") == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert command(settings, "replay", "--reason", "unparsable") == 0
    assert command(settings, "replay", "--dry-run") == 0
    capsys.readouterr()
    assert command(settings, "replay") == 0
    assert command(settings, "replay") == 0, "a second replay finds nothing to send"
    sent = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each[0]["replayed"] for each in sent] == [4, 0]
    drain(ingest(settings), settings, 4 + 4 + 4)  # letters, their marks, three payments and a letter
    ids = {wire.decode(m.value() or b"")["transaction_id"] for m in read_topic(settings, "transactions.v1")}
    assert ids == {"t0", "t1", "t2"}
    command(settings, "list")
    (left,) = json.loads(capsys.readouterr().out)
    assert left["reason"] == "amount_out_of_range"


def test_what_was_not_kept_cannot_be_replayed_and_says_so(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    secret = Poison("transactions.raw.v1", b"k", b'{"cvv": "123"}', "forbidden_field")
    send(settings, [secret])
    drain(ingest(settings), settings, 1)
    assert command(settings, "replay") == 1
    assert "1 of 1 letters stay" in capsys.readouterr().err
