"""Alerts on real Kafka: each flagged score once, with the reasons of the model that it states."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared import wire
from shared.settings import Settings
from shared.stream.clients import read_topic
from tests.integration.scoring_services import Payments, Service, alerts, publish, read, scoring
from tests.unit.scoring_samples import FEATURES, wide_model

COUNT = 600


def scored(settings: Settings, count: int) -> Payments:
    """Send payments and run scoring until all are scored."""
    payments = Payments(settings, count)
    payments.send(count)
    service, _ = scoring(settings)
    service.until(lambda: len(list(read_topic(settings, "scores.v1"))) >= count, "the scores")
    service.loop.stop()
    return payments


def flagged(settings: Settings) -> dict[str, dict[str, Any]]:
    scores = read(settings, "scores.v1")
    return {each["transaction_id"]: each for each in scores if each["decision"] in ("review", "decline")}


def alerted(service: Service, settings: Settings, count: int) -> list[dict[str, Any]]:
    service.until(lambda: len(list(read_topic(settings, "alerts.v1"))) >= count, "the alerts")
    service.loop.stop()
    return read(settings, "alerts.v1")


def test_each_flagged_payment_is_one_alert_with_the_reasons_of_its_model(settings: Settings) -> None:
    service = alerts(settings)  # it starts before any model is published
    publish(settings, "a")
    payments = scored(settings, COUNT)
    due = flagged(settings)
    found = alerted(service, settings, len(due))
    assert 0 < len(due) < COUNT
    assert sorted(each["transaction_id"] for each in found) == sorted(due)
    model = wide_model("a")
    for alert in found:
        score = due[alert["transaction_id"]]
        assert {name: alert[name] for name in alert.keys() & score.keys() - {"source"}} == {
            name: score[name] for name in alert.keys() & score.keys() - {"source"}
        }
        row = payments.matrix[int(alert["transaction_id"][1:])]
        for reason in alert["reasons"]:
            place = FEATURES.names.index(reason["feature"])
            changed = row.copy()
            changed[place] = model.medians[place]
            assert reason["effect"] == alert["score"] - float(model.predict(changed[None, :])[0])
        effects = [reason["effect"] for reason in alert["reasons"]]
        assert effects == sorted(effects, reverse=True)
        assert 0 < len(effects) <= settings.alerts.max_reasons


def test_taking_the_scores_again_gives_the_same_bytes_under_the_key_of_the_customer(
    settings: Settings,
) -> None:
    publish(settings, "a")
    scored(settings, COUNT)
    due = flagged(settings)
    alerted(alerts(settings), settings, len(due))
    first = by_partition(settings)
    again = settings.model_copy(update={"state_folder": settings.state_folder / "again"})
    alerted(alerts(again, "alerts-again"), settings, 2 * len(due))
    assert by_partition(settings) == sorted(first * 2)
    for key, value in first:
        assert wire.decode(value, "alerts.v1")["customer_id"].encode() == key


def by_partition(settings: Settings) -> list[tuple[bytes, bytes]]:
    return sorted((message.key(), message.value()) for message in read_topic(settings, "alerts.v1"))


def test_a_model_that_cannot_be_had_leaves_the_alert_without_reasons(settings: Settings) -> None:
    file = publish(settings, "a")
    scored(settings, COUNT)
    file.unlink()
    due = flagged(settings)
    service = alerts(settings)
    found = alerted(service, settings, len(due))
    assert sorted(each["transaction_id"] for each in found) == sorted(due)
    assert all(each["reasons"] == [] for each in found)
    counted = service.telemetry.registry.get_sample_value("millrace_alerts_unexplained_total")
    assert counted == len(due)
    assert np.isfinite([each["score"] for each in found]).all()
