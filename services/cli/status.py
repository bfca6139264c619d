"""`millrace status`: services, their health and lag, raised alarms, models' performance, newest signals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from services.cli.output import add_output, emit
from services.cli.run import SERVICES

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from shared.settings import Settings
    from shared.signals import Signal

ANSWER_SECONDS = 10.0
NEWEST_SIGNALS = 20_000  # about 150 days of the default features, read in half a second
FAILED = 1
MEASURED = ("performance.auc", "performance.ap", "performance.cp100", "estimate.auc", "estimate.ap")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = f"Alarms and measurements are those of the newest {NEWEST_SIGNALS:,} signals."
    add_output(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; 1 if a service of the local stack is not ready.

    Without a local stack, it tells the lag of the groups on the broker of the settings.
    """
    from deploy.local.running import running
    from shared.stream.clients import admin

    found = running()
    if found is None:
        print("millrace: no local stack runs; these are the groups on the broker", file=sys.stderr)
    there = found.settings(settings) if found else settings
    client = admin(there)
    services = _services(found.services) if found else [{"service": name} for name in SERVICES]
    signals = heard(there)
    told = {
        "alarms": {"monitor": "; ".join(alarms(signals))},
        "measured": measured(signals),
        "newest": newest(signals),
    }
    rows = [{**each, "lag": lag(client, each["service"])} for each in services]
    emit(
        arguments,
        [{**row, **{head: of.get(row["service"], "") for head, of in told.items()}} for row in rows],
    )
    return FAILED if found and any(each["health"] != "ready" for each in services) else 0


def heard(settings: Settings) -> list[Signal]:
    """Return the newest signals on the monitoring topic; none where the broker is without our topics."""
    from shared.signals import TOPIC, Signal
    from shared.stream.clients import DependencyError, read_topic

    messages = read_topic(settings, TOPIC, {0: -NEWEST_SIGNALS})
    try:
        return [Signal.from_bytes(each.value() or b"") for each in messages]
    except DependencyError:
        return []


def alarms(signals: Iterable[Signal]) -> list[str]:
    """Return the alarms that the monitor has raised and not cleared, each with its day of event time."""
    from services.monitor.findings import SERVICE
    from services.monitor.monitor import ALARMS

    raised: dict[str, str] = {}
    for each in signals:
        if each.service != SERVICE:
            continue
        if ALARMS.get(each.signal) == each.severity:
            raised[each.signal] = f"{each.signal} since {_day(each.event_time)}"
        else:
            raised.pop(each.signal, None)  # it is said to be cleared under the same name
    return list(raised.values())


def measured(signals: Iterable[Signal]) -> dict[str, str]:
    """Return what each service tells of how well the models do.

    That is by the newest labels that have matured, and as estimated before.
    """
    found = {each.signal: each for each in signals if each.signal in MEASURED and each.is_mature is not False}
    told: dict[str, list[str]] = {}
    for name, each in sorted(found.items()):
        if each.value is not None:
            sentence = f"{name} {each.value:.3f} on {_day(each.event_time)}"
            told.setdefault(each.service, []).append(sentence)
    return {service: ", ".join(each) for service, each in told.items()}


def newest(signals: Iterable[Signal]) -> dict[str, str]:
    """Return the newest signal of each service that is more than a measurement, with its day."""
    said = {each.service: each for each in signals if each.severity != "info"}
    return {service: f"{each.signal} on {_day(each.event_time)}" for service, each in said.items()}


def _day(microseconds: int) -> str:
    from services.cli.tail import iso

    return iso(microseconds)[:10]


def lag(client: AdminClient, service: str) -> int | None:
    """Return how many records a service's group has not committed; None if it never committed."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
    from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

    group = f"millrace.{_service(service)}"
    answer = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    places = answer[group].result(ANSWER_SECONDS).topic_partitions or []
    at = {TopicPartition(p.topic, p.partition): p.offset for p in places if p.offset >= 0}
    if not at:
        return None
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    ends = {
        place: end.result(ANSWER_SECONDS)
        for place, end in client.list_offsets(dict.fromkeys(at, latest)).items()
    }
    behind: list[int] = [max(0, int(ends[place].offset) - offset) for place, offset in at.items()]
    return sum(behind)


def _services(known: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    from deploy.local.supervisor import answers

    return [
        {
            "service": each["service"],
            "pid": each["pid"],
            "health": "ready" if answers(each["port"]) else "not ready" if each["pid"] else "waits to start",
            "restarts": each["restarts"],
            "metrics": f"http://127.0.0.1:{each['port']}/metrics",
        }
        for each in known
    ]


def _service(name: str) -> str:
    return name if name in SERVICES else name.rpartition(".")[0]
