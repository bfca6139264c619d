"""Replays on real Kafka: everything arrives, a stopped one goes on, and speed changes no feature."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import Stack
from services.cli import replay as command
from services.cli.demo.story import await_quiet
from services.replay.delayed import Delays
from services.replay.player import Play, Player, Summary
from services.replay.simulator import Simulation
from shared import wire
from shared.settings import Settings
from shared.stream.clients import DependencyError, read_topic
from tests.faults import whole

SMALL = Simulation(customers=100, terminals=60, days=12, seed=2, compromised_terminals=1.0)
SERVICES = ("ingest", "features.customer", "features.terminal", "scoring", "labels")
FAST = 100_000.0
SLOW_SECONDS = 20.0
DAY = 86_400


def ids(settings: Settings, topic: str) -> list[str]:
    return [wire.decode(message.value() or b"")["transaction_id"] for message in read_topic(settings, topic)]


def test_all_payments_and_labels_arrive_each_customers_in_order(settings: Settings) -> None:
    player = Player(settings, Play(rate=FAST))
    player.run(SMALL)
    player.send_pending()
    sent = [name for frame in SMALL.frames() for name in frame["transaction_id"].to_list()]
    assert sorted(ids(settings, "transactions.raw.v1")) == sorted(sent)
    frauds = [
        name
        for f in SMALL.frames()
        for name, label in f.select("transaction_id", "label").iter_rows()
        if label == "fraud"
    ]
    assert sorted(ids(settings, "labels.raw.v1")) == sorted(frauds)
    newest: dict[str, int] = {}
    for message in read_topic(settings, "transactions.raw.v1"):
        payment = wire.decode(message.value() or b"")
        assert payment["event_time"] >= newest.get(payment["customer_id"], 0)
        newest[payment["customer_id"]] = payment["event_time"]


class StoppedError(Exception):
    pass


def test_a_stopped_replay_goes_on_where_it_was(settings: Settings) -> None:
    def stop(summary: Summary) -> None:
        if summary.payments > 800:
            raise StoppedError

    stopped = Player(settings, Play(rate=FAST), stop)
    with pytest.raises(StoppedError):
        stopped.run(SMALL)
    resumed = Player(settings, Play(rate=FAST, is_resumed=True))
    resumed.run(SMALL)
    resumed.send_pending()
    sent = {name for frame in SMALL.frames() for name in frame["transaction_id"].to_list()}
    assert set(ids(settings, "transactions.raw.v1")) == sent
    assert resumed.summary.payments < len(sent), "what was durable is not sent again"
    frauds = {
        n
        for f in SMALL.frames()
        for n, label in f.select("transaction_id", "label").iter_rows()
        if label == "fraud"
    }
    assert set(ids(settings, "labels.raw.v1")) == frauds


def run(settings: Settings, *words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words), settings)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("absent.parquet",), "there is no file absent.parquet"),
        (("history.txt",), "ends in none of"),
        (("simulate", "--label-delay-days", "5", "1"), "--label-delay-days"),
        (("simulate", "--speed", "fast"), "--speed is max or a number"),
        (("simulate", "--rate", "-1"), "--rate is a number above 0"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_2(
    settings: Settings, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert run(settings, *words) == 2
    assert sentence in capsys.readouterr().err


def test_a_broker_that_is_not_there_is_named(settings: Settings, free_port: int) -> None:
    away = settings.model_copy(update={"kafka": {"bootstrap.servers": f"127.0.0.1:{free_port}"}})
    with pytest.raises(DependencyError, match="MILLRACE_KAFKA__BOOTSTRAP_SERVERS"):
        run(away, "simulate", "--customers", "5", "--days", "1")


def served(folder: Path, play: Play) -> dict[str, dict[str, Any]]:
    with Stack(folder, services=SERVICES) as stack:
        player = Player(stack.settings, play)
        player.run(SMALL)
        await_quiet(stack.settings)
        found, _ = whole.accepted(stack.settings, "features.terminal.v1")
    return {name: wire.decode(value) for name, value in found.items()}


def test_a_fast_and_a_slow_replay_give_the_same_features(tmp_path: Path) -> None:
    delays = Delays(1, 3)
    fast = served(tmp_path / "fast", Play(delays=delays))
    slow = served(tmp_path / "slow", replace(Play(delays=delays), speed=SMALL.days * DAY / SLOW_SECONDS))
    assert len(fast) > 1500
    assert set(fast) == set(slow)
    blocks = ("customer_features", "terminal_features")
    differing = [n for n in fast if any(repr(fast[n][b]) != repr(slow[n][b]) for b in blocks)]
    assert differing == []
    labelled = [each for each in fast.values() if any(value > 0 for value in each["terminal_features"][3:])]
    assert labelled, "no feature depends on a label: the speeds were not tried"
