"""A model is swapped under load; a package that may not act leaves the old one acting."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.models import Refusal, signing_key
from shared.settings import Settings
from tests.integration.scoring_services import Payments, Service, announce, publish, read, scoring, store
from tests.unit.model_packages import record
from tests.unit.scoring_samples import wide_model, wide_package

COUNT = 20_000
FIRST = 8_000
CHUNK = 10


def test_a_swap_under_load_scores_each_payment_once_by_the_old_and_then_by_the_new(
    settings: Settings,
) -> None:
    publish(settings, "a", seed=1)
    payments = Payments(settings, COUNT)
    payments.send(FIRST)
    service, models = scoring(settings)
    service.until(lambda: decided(service) >= FIRST, "the first payments, of every partition")
    publish(settings, "b", seed=2)

    def is_swapped() -> bool:
        payments.send(CHUNK)
        champion = models.current()[0]
        return champion is not None and champion.version == "b"

    service.until(is_swapped, "the new model")
    assert payments.rest > 0, "the swap came after the load"
    payments.send(payments.rest)
    service.until(lambda: decided(service) >= COUNT, "all scores")
    service.loop.stop()

    scores = read(settings, "scores.v1")
    assert len({each["source"] for each in scores}) == len(scores) == COUNT
    assert each_in_order(scores) == [["a", "b"]] * 4
    models_by_version = {"a": wide_model("a", 1), "b": wide_model("b", 2)}
    for version, model in models_by_version.items():
        rows = [each for each in scores if each["model_version"] == version]
        numbers = [int(each["transaction_id"][1:]) for each in rows]
        assert [each["score"] for each in rows] == model.predict(payments.matrix[numbers]).tolist()


def test_packages_that_may_not_act_are_refused_with_an_event_and_the_old_model_goes_on(
    settings: Settings,
) -> None:
    publish(settings, "good", seed=1)
    service, _ = scoring(settings)
    due = bad_packages(settings)
    service.until(lambda: len(read(settings, "monitoring.v1")) >= len(due), "the events")
    payments = Payments(settings, 200)
    payments.send(200)
    service.until(lambda: decided(service) >= 200, "the scores")
    service.loop.stop()

    events = read(settings, "monitoring.v1")
    found = {each["model_version"]: each["detail"].split(":")[0] for each in events}
    assert (found, len(events)) == (due, len(due))
    assert {each["signal"] for each in events} == {"model-refused"}
    assert {each["severity"] for each in events} == {"alarm"}
    assert {each["model_version"] for each in read(settings, "scores.v1")} == {"good"}


def test_without_a_model_payments_are_unscored_and_the_first_model_ends_that(settings: Settings) -> None:
    service, models = scoring(settings)
    payments = Payments(settings, 200)
    payments.send(100)
    service.until(lambda: decided(service) >= 100, "unscored payments")
    publish(settings, "a")
    service.until(lambda: models.current()[0], "the first model")
    payments.send(100)
    service.until(lambda: decided(service) >= 200, "scored payments")
    service.loop.stop()
    for each in read(settings, "scores.v1"):
        is_scored = int(each["transaction_id"][1:]) >= 100
        assert (each["score"] is not None) is is_scored
        assert (each["decision"] != "unscored") is is_scored
        assert each["model_version"] == ("a" if is_scored else None)


def bad_packages(settings: Settings) -> dict[str, str]:
    """Publish one package of each kind that may not act; return reason by version."""
    key, foreign = signing_key(settings), Ed25519PrivateKey.generate()
    due = {"tampered": Refusal.ALTERED, "unsigned": Refusal.UNSIGNED}
    whole = wide_package("tampered")
    middle = len(whole) // 2
    store(settings, "tampered", whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    announce(settings, record(whole, key, version="tampered", package="tampered.zip"))
    publish(settings, "unsigned", signature=b"", signer="")
    publish(settings, "foreign", key=foreign)
    due["foreign"] = Refusal.FOREIGN_KEY
    mismatched = wide_package("mismatched", features_version=999)
    store(settings, "mismatched", mismatched)
    announce(settings, record(mismatched, key, version="mismatched", package="mismatched.zip"))
    due["mismatched"] = Refusal.SCHEMA_MISMATCH
    return {version: reason.value for version, reason in due.items()}


def each_in_order(scores: list[dict[str, Any]]) -> list[list[str]]:
    """The versions of each input partition in the order of their first offsets, repeats in a row as one."""
    runs: defaultdict[bytes, list[str]] = defaultdict(list)
    by_place = sorted(scores, key=lambda each: each["source"])
    for each in by_place:
        place = each["source"][:4]
        if runs[place][-1:] != [each["model_version"]]:
            runs[place].append(each["model_version"])
    return list(runs.values())


def decided(service: Service) -> float:
    """Number of payments that the service has decided about."""
    samples = [
        sample.value
        for metric in service.telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "millrace_decisions_total"
    ]
    return sum(samples)
