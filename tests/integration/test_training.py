"""Training on real Kafka: examples in, a signed model out, and the commands that say which version acts."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.cli import model_files
from services.training.publish import check_topic
from services.training.versions import Versions
from shared import wire
from shared.features import definitions
from shared.models import ModelFeed, ModelLog, ModelRecord, events, sign, standing
from shared.settings import Settings
from shared.stream.clients import DependencyError, producer

DAY = 86_400_000_000
DAYS, DAILY = 44, 60
EPOCH = 17_000 * DAY
CUSTOMER_WIDTH = len(definitions().entities[0].names)

Millrace = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def millrace(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Millrace:
    """The command in this process: exit code, parsed stdout, stderr."""

    def call(noun: str, *words: str) -> tuple[int, Any, str]:
        module = importlib.import_module(f"services.cli.{noun}")
        parser = argparse.ArgumentParser(noun)
        module.add_arguments(parser)
        capsys.readouterr()
        code = module.run(parser.parse_args([*words, "-o", "json"]), settings)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


def examples(days: int) -> Iterator[tuple[bool, dict[str, Any]]]:
    generator = np.random.default_rng(1)
    width = len(definitions().names)
    for number in range(days * DAILY):
        is_fraud = bool(generator.random() < 1 / 12)
        row = generator.random(width, np.float32) + 3 * is_fraud * (np.arange(width) == 0)
        row[generator.random(width) < 0.05] = np.nan
        yield is_fraud, _example(number, row)


def _example(number: int, row: np.ndarray) -> dict[str, Any]:
    at, version = EPOCH + number * DAY // DAILY, definitions().version
    is_scored = number % 2 == 0
    return {
        "source": bytes(12),
        "transaction_id": f"p{number}",
        "event_time": at,
        "accepted_at": at,
        "customer_id": f"c{number % 701}",
        "terminal_id": "t",
        "amount": 100,
        "currency": "EUR",
        "amount_base": 100,
        "channel": "unknown",
        "customer_features": row[:CUSTOMER_WIDTH].tolist(),
        "customer_features_version": version,
        "terminal_features": row[CUSTOMER_WIDTH:].tolist(),
        "terminal_features_version": version,
        "score": 0.25 if is_scored else None,
        "decision": "approve" if is_scored else "unscored",
        "model_version": "earlier" if is_scored else None,
        "policy_version": 1,
        **_label("genuine", at + 7 * DAY, 0),
    }


def _label(label: str, at: int, rank: int) -> dict[str, Any]:
    origin = "chargeback" if rank else "implied"
    return {"label": label, "label_time": at, "label_origin": origin, "label_rank": rank}


def write_examples(settings: Settings, days: int = DAYS) -> int:
    """Every fraud was implied genuine first; for every other one the correction comes before that."""
    sender, frauds = producer(settings), 0
    for is_fraud, example in examples(days):
        records = [example]
        if is_fraud:
            records.append(example | _label("fraud", example["event_time"] + 3 * DAY, 1))
            frauds += 1
        for record in records[::-1] if frauds % 2 else records:
            sender.produce(
                settings.topic("examples.v1"),
                wire.encode("examples.v1", record),
                record["transaction_id"].encode(),
                partition=0,
            )
    assert sender.flush(30) == 0
    return frauds


def test_a_model_is_trained_published_promoted_and_rolled_back(
    settings: Settings, millrace: Millrace
) -> None:
    write_examples(settings)
    first, second = _trained(millrace), _trained(millrace, "--seed", "1")
    assert {(row["status"], row["scores"]) for row in _list(millrace)} == {("published", "no")}
    assert _list(millrace)[0]["is_trusted"]

    assert millrace("models", "verify", first)[:2] == (
        0,
        [_verified(settings, first)],
    )
    manifest = millrace("models", "show", first)[1][0]
    assert manifest["features"] == list(definitions().names)
    assert 0 < manifest["genuine_rate"] < 0.3
    assert manifest["frauds"] > 50

    card = model_files.card(Versions.read(settings), argparse.Namespace(version=first, format="markdown"))
    assert first in card
    assert "| reproducibility | pass |" in card
    differing = {row["what"]: row[second] for row in millrace("models", "diff", first, second)[1]}
    assert differing["config.recipe.seed"] == 1
    exported = millrace("models", "export", first, str(settings.state_folder / "exported"))[1]
    assert {"card.html", "score.py", "Dockerfile"} <= {Path(row["file"]).name for row in exported}

    assert millrace("models", "promote", first)[1] == [{"champion": first, "before": None}]
    assert _says(millrace("models", "rollback"), "no champion before this one")
    assert millrace("models", "promote", second)[1] == [{"champion": second, "before": first}]
    assert {row["version"]: row["scores"] for row in _list(millrace)} == {second: "acts", first: "beside"}
    assert millrace("models", "rollback")[1] == [{"champion": first, "rolled_back": second}]
    assert _acting(settings) == first
    assert _says(millrace("models", "rollback"), "no champion before this one")
    assert _says(millrace("models", "promote", second), "is rolled_back: it cannot become champion")
    told = millrace("models", "history", second)[1]
    assert [row["status"] for row in told] == ["published", "champion", "rolled_back"]


def test_the_roll_out_is_frozen_and_thawed_by_an_event(settings: Settings, millrace: Millrace) -> None:
    assert millrace("models", "freeze", "--reason", "a holiday")[1] == [{"is_frozen": True}]
    assert millrace("models", "freeze")[1] == [{"is_frozen": True}]
    assert millrace("models", "thaw")[1] == [{"is_frozen": False}]
    assert [(each.status, each.reason) for each in events(_records(settings))] == [
        ("frozen", "a holiday"),
        ("thawed", "thawed by hand"),
    ]


def test_scores_are_evaluated_as_served_and_anew(settings: Settings, millrace: Millrace) -> None:
    write_examples(settings)
    version = _trained(millrace)
    code, rows, _ = millrace("evaluate", "--days", "7", "--version", version)
    assert code == 0
    assert [row["scores"] for row in rows] == ["served by earlier", f"anew by {version}"]
    assert rows[0]["auc_roc"] == 0.5  # it gave all the same score
    assert rows[1]["auc_roc"] > 0.9
    assert rows[1]["test_rows"] == 2 * rows[0]["test_rows"]


def test_without_examples_one_sentence_says_what_to_do(settings: Settings, millrace: Millrace) -> None:
    for noun in ("train", "evaluate"):
        assert _says(millrace(noun), "holds no example")
        assert _says(millrace(noun), "replay payments and labels first")


def test_a_record_that_is_no_example_is_told_of(settings: Settings, millrace: Millrace) -> None:
    sender = producer(settings)
    sender.produce(settings.topic("examples.v1"), b"not an example", b"k", partition=0)
    assert sender.flush(30) == 0
    assert _says(millrace("train"), "a record that is no example")


@pytest.mark.parametrize("verb", ["show", "verify", "promote"])
def test_an_unknown_version_is_named(millrace: Millrace, verb: str) -> None:
    assert _says(millrace("models", verb, "2018-01-01-nothing"), "no model version 2018-01-01-nothing")


def test_no_models_give_an_empty_list(millrace: Millrace) -> None:
    assert millrace("models", "list")[:2] == (0, [])


def test_what_cannot_be_trusted_cannot_be_promoted(settings: Settings, millrace: Millrace) -> None:
    write_examples(settings)
    version = _trained(millrace, "--family", "logistic")
    record = Versions.read(settings).version(version).published
    file = Path(settings.model_url) / record.package
    good = file.read_bytes()

    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert _says(millrace("models", "promote", version), "altered")
    file.unlink()
    assert _says(millrace("models", "verify", version), "absent")
    file.write_bytes(good)
    for key_file in settings.keys_folder.glob("*.pub"):
        key_file.unlink()
    assert _says(millrace("models", "promote", version), "foreign_key")
    assert not _list(millrace)[0]["is_trusted"]

    signature, _ = sign(good, Ed25519PrivateKey.generate())
    log = ModelLog(settings)
    for name, other in (("unsigned", b""), ("forged", signature)):
        made = msgspec.structs.replace(record, version=name, signature=other)
        log.append(lambda stands, made=made: made)
    log.close()
    assert _says(millrace("models", "verify", "unsigned"), "unsigned")
    assert _says(millrace("models", "promote", "forged"), "foreign_key")
    assert _acting(settings) is None


def test_a_missing_models_topic_is_told_before_the_fit(settings: Settings, millrace: Millrace) -> None:
    elsewhere = settings.model_copy(update={"topic_prefix": "nowhere."})
    with pytest.raises(DependencyError, match="millrace topics apply"):
        check_topic(elsewhere)


def _trained(millrace: Millrace, *words: str) -> str:
    code, rows, err = millrace("train", "--days", "20", *words)
    assert code == 0, err
    assert rows[0]["auc_roc"] > 0.9  # with the corrections lost there would be no fraud at all
    return str(rows[0]["version"])


def _verified(settings: Settings, version: str) -> dict[str, Any]:
    record = Versions.read(settings).version(version).published
    return {"version": version, "verified": True, "signer": record.signer, "sha256": record.sha256}


def _list(millrace: Millrace) -> list[dict[str, Any]]:
    code, rows, _ = millrace("models", "list")
    assert code == 0
    return list(rows)


def _acting(settings: Settings) -> str | None:
    champion = standing(_records(settings)).champion
    return champion.version if champion else None


def _records(settings: Settings) -> list[ModelRecord]:
    feed = ModelFeed(settings)
    try:
        return feed.catch_up()
    finally:
        feed.close()


def _says(outcome: tuple[int, Any, str], words: str) -> bool:
    code, rows, err = outcome
    last = err.strip().splitlines()[-1]
    assert (code, rows) == (1, None)
    assert words in last, err
    return True
