"""The training service on real Kafka: it retrains by itself; a kill loses and doubles nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd
import polars as pl
import pytest

from services.training.__main__ import build, folder
from services.training.loop import Service
from services.training.order import SLACK_LAGS
from services.training.recipe import WAITED_DAYS
from services.training.schedule import CP100, REFUSED
from shared.models import ModelFeed
from shared.settings import Settings
from shared.signals import Signal
from shared.stream.clients import producer, read_topic
from shared.telemetry import Telemetry
from tests.integration.test_training import DAY, EPOCH, write_examples
from tests.waiting import wait_for

FITS = [EPOCH + days * DAY for days in (50, 57)]
"""42 days after the first label counted, then each week."""
DAYS = 55
"""Labels are known up to day 63, one before a third refit would be due."""


@pytest.fixture
def quick(settings: Settings) -> Settings:
    training = settings.training.model_copy(update={"flush_seconds": 0.01})
    kafka = {**settings.kafka, "fetch.wait.max.ms": "10"}  # a look at the log of models waits for a fetch
    return settings.model_copy(update={"training": training, "kafka": kafka})


def started(settings: Settings, telemetry: Telemetry | None = None) -> Service:
    service = build(settings, telemetry or Telemetry("training"))
    service.start()
    return service


def killed(service: Service) -> None:
    """What a kill leaves: nothing is written any more, and the refit ends with its parent."""
    if service.fitting is not None:
        service.fitting.stop()
    service.feeds.examples.close()


def made(settings: Settings) -> list[int]:
    """As of when the models were made that the topic tells of."""
    feed = ModelFeed(settings)
    try:
        manifests = [json.loads(each.manifest) for each in feed.catch_up() if each.manifest]
    finally:
        feed.close()
    return [each["as_of"] for each in manifests]


def said(settings: Settings, name: str) -> list[Signal]:
    """The signals of a name, in the order in which they were told."""
    signals = [Signal.from_bytes(each.value() or b"") for each in read_topic(settings, "monitoring.v1")]
    return [each for each in signals if each.signal == name]


def run(service: Service, fits: list[int]) -> None:
    """Step until as many models are made, and check as of when."""

    def stepped() -> bool:
        service.step()
        return service.fitting is None and len(made(service.settings)) >= len(fits)

    wait_for(stepped, 120, "the refits")
    assert made(service.settings) == fits


def test_it_retrains_each_week_and_makes_no_model_twice_after_its_folder_was_lost(quick: Settings) -> None:
    frauds = write_examples(quick, DAYS)
    service = started(quick)
    run(service, FITS)
    wait_for(lambda: service.step() or len(service.dataset.dates()) >= DAYS - SLACK_LAGS, 60, "the examples")
    service.stop()
    frame = pd.read_parquet(folder(quick))
    assert frame["is_fraud"].sum() == pytest.approx(frauds, abs=10)  # but for the last days
    assert frame["transaction_id"].is_unique
    assert not frame["transaction_id"].str.startswith("p").any()
    assert frame["online_score"].notna().mean() > 0.7
    measured = said(quick, CP100)
    check_measured(measured)
    telemetry = Telemetry("training")
    anew = started(quick.model_copy(update={"state_folder": quick.state_folder / "anew"}), telemetry)
    assert f'millrace_training_value{{signal="{CP100}"}} {measured[-1].value}' in shown(telemetry)
    while anew.fitting is None and not level(anew, service):
        anew.step()
    assert anew.fitting is None
    assert made(quick) == FITS
    assert said(quick, CP100) == measured


def test_a_kill_at_any_step_neither_loses_nor_doubles(quick: Settings) -> None:
    write_examples(quick, DAYS)
    undisturbed = quick.model_copy(update={"state_folder": quick.state_folder / "undisturbed"})
    elsewhere = quick.model_copy(update={"state_folder": quick.state_folder / "killed"})
    for steps in (1, 2, 5, 13):
        service = started(elsewhere)
        for _ in range(steps):
            service.step()
        killed(service)
    service = started(elsewhere)
    run(service, FITS)
    plain = started(undisturbed)

    def are_level() -> bool:
        service.step()
        plain.step()
        return level(plain, service)

    wait_for(are_level, 60, "the same place in the log")
    for left, right in zip(tables(service), tables(plain), strict=True):
        assert left.equals(right, null_equal=True)
    assert weights(service) == weights(plain)
    check_measured(said(quick, CP100))


def test_an_alarm_brings_a_refit_forward(quick: Settings) -> None:
    write_examples(quick, DAYS)
    sender = producer(quick)
    alarm = Signal("average-precision", EPOCH + 54 * DAY, "alarm", "monitor")
    sender.produce(quick.topic("monitoring.v1"), alarm.to_bytes(), b"average-precision", partition=0)
    assert sender.flush(30) == 0
    run(started(quick), [FITS[0], EPOCH + 54 * DAY])


def test_a_refit_without_a_model_is_told_of_and_tried_a_day_later(quick: Settings) -> None:
    write_examples(quick, DAYS)
    few = quick.model_copy(update={"training": quick.training.model_copy(update={"kept_days": 14})})
    service = started(few)

    def refused() -> bool:
        service.step()
        return service.past.refused is not None and service.past.refused >= FITS[0] + DAY

    wait_for(refused, 60, "a refusal")
    refusals = said(quick, REFUSED)
    assert [each.event_time for each in refusals][:2] == [FITS[0], FITS[0] + DAY]
    assert "frauds" in refusals[0].detail


def check_measured(told: list[Signal]) -> None:
    """Of each week whose labels are known, from the first day's payments on, card precision is told once."""
    days = range(WAITED_DAYS, WAITED_DAYS + len(told))
    assert [each.event_time for each in told] == [EPOCH + day * DAY for day in days]
    assert told[-1].event_time >= FITS[-1]
    for each in told:
        assert (each.until, each.since) == (each.event_time - 9 * DAY, each.event_time - 16 * DAY)
        assert (each.model_version, each.is_mature) == ("earlier", True)
        assert each.value is not None
        assert 0 < each.value < 0.1


def shown(telemetry: Telemetry) -> str:
    return telemetry.answer("/metrics")[2].decode()


def level(one: Service, other: Service) -> bool:
    """Whether both have come to the same place in the log."""
    return one.merge.reached == other.merge.reached


def tables(service: Service) -> Iterator[pl.DataFrame]:
    for file in sorted(service.dataset.folder.rglob("examples.parquet")):
        yield pl.read_parquet(file).sort("transaction_id")


def weights(service: Service) -> tuple[dict[str, float], float]:
    regression = service.learner.model["LogisticRegression"]
    return regression.weights, regression.intercept
