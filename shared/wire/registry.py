"""Our schemas in a Confluent schema registry, under the ids of schemas/registry.json.

Records carry the committed ids whether a registry is there or not; the registry lets outside readers
find the schemas. It keeps our ids because they are imported: the subject is put in mode IMPORT for the
time of the registration. A registry that does not allow that (``mode.mutability=false``), or where an
id already means something else, is refused with a sentence that says so.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import schemas
from shared.settings import Settings
from shared.stream.clients import DependencyError

ANSWER_SECONDS = 10.0
KIND = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A schema as the registry should hold it: by the subject of its topic, under our id."""

    subject: str
    schema: str
    id: int

    @property
    def content(self) -> dict[str, Any]:
        """The Avro schema."""
        return schemas.avro(self.schema)


def entries(settings: Settings) -> list[Entry]:
    """Return what the registry should hold: a subject ``<topic>-value`` for each topic."""
    ids = schemas.registry()["ids"]
    return [
        Entry(f"{settings.topic(topic)}-value", name, ids[name])
        for topic, content in schemas.toml("topics")["topics"].items()
        for name in content["schemas"]
    ]


def missing(settings: Settings) -> list[Entry]:
    """Return the schemas that the registry of the settings does not hold; none without a registry.

    Raises
    ------
    DependencyError
        If it does not answer, or one of our ids is another schema there.
    """
    if settings.schema_registry_url is None:
        return []
    registry = Registry(settings.schema_registry_url)
    return [entry for entry in entries(settings) if not registry.holds(entry)]


def register(settings: Settings) -> list[Entry]:
    """Register what is missing, under our ids; return it.

    Raises
    ------
    DependencyError
        As `missing`, and if the registry refuses to import.
    """
    absent = missing(settings)
    for entry in absent:
        Registry(str(settings.schema_registry_url)).add(entry)
    return absent


class Registry:
    """The few calls of a registry's API that are needed here."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        host = place.netloc.rpartition("@")[2]
        self._url = urlunsplit((place.scheme, host, place.path.rstrip("/"), "", ""))
        self._headers = {"Content-Type": KIND, "Accept": KIND}
        if place.username is not None:
            pair = f"{place.username}:{place.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def holds(self, entry: Entry) -> bool:
        """Return whether the newest schema of the subject is ours.

        Raises
        ------
        DependencyError
            If our id is another schema there.
        """
        status, by_id = self._call("GET", f"/schemas/ids/{entry.id}")
        if status == http.client.OK and json.loads(by_id["schema"]) != entry.content:
            raise DependencyError(
                f"id {entry.id} is another schema than {entry.schema} in the registry at {self._url}; "
                "give Millrace a registry, or a context (/contexts/.millrace in the URL), of its own"
            )
        status, latest = self._call("GET", f"/subjects/{quote(entry.subject)}/versions/latest")
        return status == http.client.OK and bool(latest["id"] == entry.id)

    def add(self, entry: Entry) -> None:
        """Import a schema under its id."""
        subject = quote(entry.subject)
        _, versions = self._call("GET", f"/subjects/{subject}/versions")
        version = max(versions, default=0) + 1 if isinstance(versions, list) else 1
        body = {"schema": json.dumps(entry.content), "id": entry.id, "version": version}
        self._demand("PUT", f"/mode/{subject}?force=true", {"mode": "IMPORT"})
        try:
            self._demand("POST", f"/subjects/{subject}/versions", body)
        finally:
            self._demand("PUT", f"/mode/{subject}", {"mode": "READWRITE"})

    def _demand(self, method: str, path: str, body: dict[str, Any]) -> None:
        status, answer = self._call(method, path, body)
        if status != http.client.OK:
            said = answer.get("message", answer) if isinstance(answer, dict) else answer
            raise DependencyError(
                f"the schema registry at {self._url} refuses {method} {path} ({status}: {said}); "
                "it must let subjects into mode IMPORT (mode.mutability=true), so that ids stay ours"
            )

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, content, self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, _content(error)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DependencyError(
                f"the schema registry at {self._url} can't be reached ({error}); start it, or change or "
                "remove schema_registry_url (MILLRACE_SCHEMA_REGISTRY_URL)"
            ) from error


def _content(error: urllib.error.HTTPError) -> Any:
    try:
        return json.load(error)
    except ValueError:
        return {"message": error.reason}
