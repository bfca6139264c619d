"""`millrace topics`: the topics of schemas/topics.toml on the broker, in the registry, in the docs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli.output import add_output, emit

if TYPE_CHECKING:
    from shared.settings import Settings
    from shared.stream.topics import Change
    from shared.wire.registry import Entry

FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, about in (
        ("plan", "show how broker and schema registry differ from schemas/; exit code 1 if they do"),
        ("apply", "make topics, set what differs, and register schemas where a registry is set"),
    ):
        add_output(verbs.add_parser(verb, help=about, description=about.capitalize() + "."))
    docs = verbs.add_parser("docs", help="write topics.md and asyncapi.yaml from schemas/")
    docs.add_argument("folder", nargs="?", type=Path, default=Path("docs"))


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where `plan` found differences."""
    from shared.stream import topics
    from shared.wire import registry

    if arguments.verb == "docs":
        return _write(arguments.folder)
    is_plan = arguments.verb == "plan"
    changes = topics.plan(settings) if is_plan else topics.apply(settings)
    schemas = registry.missing(settings) if is_plan else registry.register(settings)
    emit(arguments, _rows(changes, schemas))
    return FAILED if is_plan and (changes or schemas) else 0


def _rows(changes: Sequence[Change], schemas: Sequence[Entry]) -> list[dict[str, str]]:
    absent = [
        {"topic": entry.subject, "what": "schema", "found": "absent", "wanted": f"{entry.schema}, {entry.id}"}
        for entry in schemas
    ]
    return [*[asdict(change) for change in changes], *absent]


def _write(folder: Path) -> int:
    from services.cli.topic_docs import documents

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (folder / name).write_text(content)
        print(folder / name)
    return 0
