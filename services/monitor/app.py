"""The thin edge in Faust: reads sketches, sends signals, saves the state before it acknowledges."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from typing import Any

import faust
from faust.types import EventT, TopicT
from faust.types.auth import AuthProtocol

from services.monitor import summaries
from services.monitor.reports import Reports
from services.monitor.session import Session
from shared.settings import Settings
from shared.signals import TOPIC
from shared.telemetry import Telemetry

GROUP = "millrace.monitor"
SESSION_SECONDS, HEARTBEAT_SECONDS = 10.0, 3.0
SAVE_SECONDS = 2.0
FAILED = 1


class Edge:
    """Between Faust and the session: one sketch after the other, in the order of the log."""

    def __init__(self, session: Session, reports: Reports, output: TopicT) -> None:
        self._session, self._reports, self._output = session, reports, output
        self._waiting: list[EventT[Any]] = []
        self._save_due = time.monotonic() + SAVE_SECONDS
        reports.standing(session.monitor.alarms)  # raised before a restart, still raised

    async def take(self, event: EventT[Any]) -> None:
        """Take one record, and send what it lets be said before the next is taken."""
        said = self._session.take(event.message.offset, event.value)
        sent = [await self._output.send(key=each.signal.encode(), value=each.to_bytes()) for each in said]
        await asyncio.gather(*sent)  # durable before the state that holds them is
        if said:
            self._reports.said(said, self._session.monitor.alarms)
        self._waiting.append(event)
        if time.monotonic() >= self._save_due:
            self.save()

    def save(self) -> None:
        """Write the state and acknowledge what it holds: a restart never goes on behind a gap."""
        if self._waiting:
            self._session.save()
            self._reports.counted(self._session.count())
            for event in self._waiting:
                event.ack()
            self._waiting.clear()
        self._save_due = time.monotonic() + SAVE_SECONDS


def application(settings: Settings, session: Session, telemetry: Telemetry) -> faust.App:
    """Return the Faust application; its web server stays off."""
    app = faust.App(
        GROUP,
        broker=[f"kafka://{each}" for each in settings.kafka["bootstrap.servers"].split(",")],
        broker_credentials=credentials(settings),
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        consumer_group_instance_id=f"{GROUP}-{settings.instance}",
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        store="memory://",
        stream_wait_empty=False,  # else it waits, to leave, for what only saving acknowledges
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
    )
    edge = Edge(session, Reports(telemetry), _raw_topic(app, settings.topic(TOPIC)))
    _connect(app, edge, _raw_topic(app, settings.topic(summaries.TOPIC)), telemetry)
    return app


def _connect(app: faust.App, edge: Edge, sketches: TopicT, telemetry: Telemetry) -> None:
    async def follow(stream: Any) -> None:  # Faust's own type of a stream lacks `noack`
        try:
            async for event in stream.noack().events():
                await edge.take(event)
        except Exception:  # Faust would go on with the next record
            telemetry.log.exception("stopped by an error")
            sys.stderr.flush()
            os._exit(FAILED)  # nothing is acknowledged that the state does not hold

    async def save() -> None:
        edge.save()

    async def leave(sender: Any, *arguments: Any, signal: Any, **named: Any) -> None:
        edge.save()

    async def ready(sender: Any, *arguments: Any, signal: Any, **named: Any) -> None:
        telemetry.set_ready(True)

    app.agent(sketches)(follow)
    app.timer(SAVE_SECONDS)(save)
    app.on_partitions_assigned.connect(ready, weak=False)  # type: ignore[arg-type]
    app.on_before_shutdown.connect(leave, weak=False)  # type: ignore[arg-type]


def _raw_topic(app: faust.App, name: str) -> TopicT:
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def credentials(settings: Settings) -> faust.auth.Credentials | None:
    """Return what Faust needs of librdkafka's settings for TLS and SASL; None for plain text."""
    kafka = settings.kafka
    protocol = AuthProtocol(kafka.get("security.protocol", "PLAINTEXT").upper())
    if protocol is AuthProtocol.PLAINTEXT:
        return None
    context = None
    if protocol in (AuthProtocol.SSL, AuthProtocol.SASL_SSL):
        context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"))
        if "ssl.certificate.location" in kafka:
            context.load_cert_chain(kafka["ssl.certificate.location"], kafka.get("ssl.key.location"))
    if protocol is AuthProtocol.SSL:
        return faust.auth.SSLCredentials(context)
    return faust.auth.SASLCredentials(
        mechanism=kafka.get("sasl.mechanism", "PLAIN"),
        username=kafka.get("sasl.username"),
        password=kafka.get("sasl.password"),
        ssl_context=context,
    )
