"""Metrics and health of one service, over HTTP."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.settings import Settings, SettingsError
from shared.telemetry.logs import start_logs

PREFIX = "millrace_"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    log: logging.Logger

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell in a line that somebody, as a prober may, went away before the answer."""
        error = sys.exception()
        if isinstance(error, ConnectionError):
            self.log.info("no answer was given", extra={"error": repr(error)})
        else:
            super().handle_error(request, client_address)


class Telemetry:
    """What a service tells of itself: ``log``, metrics, and whether it is ready.

    Metric names get the prefix ``millrace_`` and use base units; labels are few and never ids.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.log = logging.getLogger(service)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._ready = threading.Event()
        self._server: _Server | None = None

    @classmethod
    def start(cls, service: str, settings: Settings) -> Telemetry:
        """Return the telemetry of a service, with logs and the HTTP server running.

        Raises
        ------
        SettingsError
            If the server cannot listen where the settings say.
        """
        start_logs(settings.log_level, settings.log_format)
        telemetry = cls(service)
        place = settings.http_host, settings.http_port
        try:
            server = _Server(place, telemetry._handler())
        except OSError as error:
            raise SettingsError(
                f"nothing can listen on {place[0]}:{place[1]} ({error.strerror}); set http_host or http_port"
            ) from error
        server.log = telemetry.log
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        telemetry._server = server
        telemetry.log.info("listening", extra={"host": settings.http_host, "port": server.server_port})
        return telemetry

    def counter(self, name: str, about: str, labels: Sequence[str] = ()) -> Counter:
        """Return a counter; its name ends in ``_total``."""
        return Counter(PREFIX + name, about, labels, registry=self.registry)

    def gauge(self, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
        """Return a gauge."""
        return Gauge(PREFIX + name, about, labels, registry=self.registry)

    def histogram(
        self, name: str, about: str, buckets: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        """Return a histogram with these upper bounds."""
        return Histogram(PREFIX + name, about, labels, registry=self.registry, buckets=buckets)

    def set_ready(self, is_ready: bool) -> None:
        """Tell ``/readyz`` whether work can come."""
        if is_ready:
            self._ready.set()
        else:
            self._ready.clear()

    def stop(self) -> None:
        """End the HTTP server."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body of a path."""
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        if path == "/healthz":
            return 200, "text/plain", b"ok\n"
        if path == "/readyz":
            return (
                (200, "text/plain", b"ready\n")
                if self._ready.is_set()
                else (503, "text/plain", b"not ready\n")
            )
        return 404, "text/plain", b"/metrics, /healthz or /readyz\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        telemetry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = telemetry.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                telemetry.log.debug("http", extra={"line": format % args})

        return Handler
