"""`millrace models card|diff|history|export`: what a package tells beside its model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.training.versions import Versions
    from shared.models import Manifest

FORMS = {"markdown": "card.md", "html": "card.html"}


def add_arguments(verbs: Any) -> list[argparse.ArgumentParser]:
    """Describe the verbs; return those that print rows."""
    card = verbs.add_parser("card", help="the model card", description="Print the model card.")
    card.add_argument("version")
    card.add_argument("--format", choices=FORMS, default="markdown", help="form of the card (%(default)s)")
    about = "In what two versions differ: fit, metrics, libraries, verdicts, importances."
    diff = verbs.add_parser("diff", help="in what two versions differ", description=about)
    diff.add_argument("version")
    diff.add_argument("other")
    about = "All events in the life of the models: who, why, and with which numbers."
    history = verbs.add_parser("history", help="who moved which version, when and why", description=about)
    history.add_argument("version", nargs="?", help="only this version")
    about = "Write a folder that scores a CSV without Kafka: model, loader, Dockerfile, card."
    export = verbs.add_parser("export", help="a folder that scores a CSV by itself", description=about)
    export.add_argument("version")
    export.add_argument("folder", type=Path)
    return [diff, history, export]


def card(versions: Versions, arguments: argparse.Namespace) -> str:
    """Return the text of a version's card.

    Raises
    ------
    ModelRefused
        If the package does not hold, or has no card.
    """
    from shared.models import ModelRefused, Refusal

    parts = _contents(versions, arguments.version)[1]
    if FORMS[arguments.format] not in parts:
        raise ModelRefused(Refusal.ABSENT, f"the package of {arguments.version} has no card; train it anew")
    return parts[FORMS[arguments.format]].decode()


def diff(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return in what two versions differ."""
    from services.training.comparison import differences

    pair = (_contents(versions, each) for each in (arguments.version, arguments.other))
    return differences(*pair)


def history(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the events of the models topic in their order."""
    from datetime import UTC, datetime, timedelta

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [
        {
            "number": event.sequence,
            "event_time": f"{epoch + timedelta(microseconds=event.event_time):%Y-%m-%dT%H:%M:%SZ}",
            "version": event.version,
            "status": event.status,
            "who": event.who,
            "reason": event.reason,
            "numbers": event.numbers,
        }
        for event in versions.history()
        if arguments.version in (None, event.version)
    ]


def export(versions: Versions, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Write a version's folder, once the package was verified."""
    from services.training.export import export as write
    from shared.models import ModelRefused, Refusal

    package = versions.package(arguments.version)
    try:
        return [{"file": str(arguments.folder / name)} for name in write(package, arguments.folder)]
    except OSError as error:
        raise ModelRefused(Refusal.ABSENT, f"the folder cannot be written: {error}") from error


def _contents(versions: Versions, version: str) -> tuple[Manifest, Mapping[str, bytes]]:
    from shared.models import unpack, unpack_parts

    package = versions.package(version)
    return unpack(package)[0], unpack_parts(package)
