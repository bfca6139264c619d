"""A schema registry of one process: the part of Confluent's API that readers and Millrace use."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Answer = tuple[int, Any]
NOT_FOUND: Answer = (404, {"error_code": 40403, "message": "not found"})


class RegistryServer:
    """Schemas by id and subject; an id may be chosen only in mode IMPORT, as in the original."""

    def __init__(self, is_mutable: bool = True) -> None:
        self.is_mutable = is_mutable
        self.by_id: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.modes: dict[str, str] = {}
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        place = [unquote(each) for each in urlsplit(path).path.strip("/").split("/")]
        match method, place:
            case "GET", ["schemas", "ids", number]:
                schema = self.by_id.get(int(number))
                return (200, {"schema": schema, "schemaType": "AVRO"}) if schema else NOT_FOUND
            case "GET", ["subjects", subject, "versions"]:
                found = self.subjects.get(subject)
                return (200, list(range(1, len(found) + 1))) if found else NOT_FOUND
            case "GET", ["subjects", subject, "versions", "latest"]:
                return self._latest(subject)
            case "PUT", ["mode", subject]:
                return self._mode(subject, body["mode"])
            case "POST", ["subjects", subject, "versions"]:
                return self._add(subject, body)
        return NOT_FOUND

    def _latest(self, subject: str) -> Answer:
        found = self.subjects.get(subject)
        if not found:
            return NOT_FOUND
        return 200, {
            "subject": subject,
            "id": found[-1],
            "version": len(found),
            "schema": self.by_id[found[-1]],
        }

    def _mode(self, subject: str, mode: str) -> Answer:
        if not self.is_mutable:
            return 422, {"error_code": 42205, "message": "Mode changes are not allowed"}
        self.modes[subject] = mode
        return 200, {"mode": mode}

    def _add(self, subject: str, body: dict[str, Any]) -> Answer:
        if "id" in body and self.modes.get(subject) != "IMPORT":
            return 422, {"error_code": 42205, "message": f"Subject {subject} is not in import mode"}
        number = body.get("id", max(self.by_id, default=0) + 1)
        self.by_id[number] = body["schema"]
        self.subjects.setdefault(subject, []).append(number)
        return 200, {"id": number}


@contextmanager
def serving(registry: RegistryServer) -> Iterator[RegistryServer]:
    """Serve a registry on a free port for a block."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = registry.answer(self.command, self.path, json.loads(content or "null"))
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
