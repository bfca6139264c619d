"""Replays on real Kafka: everything arrives, and a stopped one goes on."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from deploy.local.kafka import Kafka
from deploy.local.stack import folder_settings
from services.cli import replay as command
from services.replay.pipeline import Pipeline
from services.replay.player import Play, Player, Summary
from services.replay.simulator import Simulation
from shared import wire
from shared.settings import Settings
from shared.stream import topics
from shared.stream.clients import DependencyError, read_topic
from tests.waiting import wait_for

SMALL = Simulation(customers=100, terminals=60, radius=15.0, days=12, seed=2, compromised_terminals=1.0)
FAST = 100_000.0
RESTART_SECONDS = 20.0


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


def test_where_the_services_stand_can_be_asked_after_a_restart_of_the_broker(tmp_path: Path) -> None:
    with Kafka(tmp_path / "kafka") as kafka:
        addresses = {"bootstrap.servers": kafka.bootstrap}
        settings = folder_settings(tmp_path).model_copy(update={"kafka": addresses})
        topics.apply(settings)
        pipeline = Pipeline(settings)
        assert pipeline.slowest() is None
        kafka.kill()
        kafka.start()

        def answers() -> bool:
            with suppress(KafkaException):  # for a moment its partitions have no leaders
                return pipeline.slowest() is None
            return False

        wait_for(answers, RESTART_SECONDS, "where the services stand")
        pipeline.close()
