"""The `millrace` command: finds the noun's module and leaves the rest to it.

Each noun is a module of this package with ``add_arguments(parser)`` and ``run(arguments, settings)``;
it is imported only when it is called, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec

OK, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

NOUNS = {
    "up": "start Kafka, Redis and all services on this machine",
    "down": "stop them",
    "status": "tell what runs",
    "doctor": "check what this machine and these settings lack",
    "topics": "plan or apply schemas/topics.toml on the broker",
    "run": "run one service in the foreground",
    "replay": "play a history or a simulation into the stream",
    "tail": "print the records of a topic",
    "features": "look an entity's features up in the cache",
    "train": "fit a model on the labelled examples and publish it",
    "evaluate": "evaluate the served scores on the labelled examples",
    "models": "list, show, verify, promote or roll back model versions",
    "dead-letters": "list or replay what could not be taken",
    "demo": "show the whole stream in fast motion",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser("millrace", description="Streaming fraud scoring that keeps learning.")
    nouns = parser.add_subparsers(dest="noun", metavar="NOUN", required=True)
    chosen = next((word for word in given if not word.startswith("-")), None)
    for noun, about in NOUNS.items():
        module_name = f"services.cli.{noun.replace('-', '_')}"
        if find_spec(module_name) is None:
            continue
        inner = nouns.add_parser(noun, help=about, description=about.capitalize() + ".")
        if noun == chosen:
            importlib.import_module(module_name).add_arguments(inner)
    try:
        return _run(parser.parse_args(given))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    from shared.settings import Settings, SettingsError
    from shared.stream.clients import DependencyError

    module = importlib.import_module(f"services.cli.{arguments.noun.replace('-', '_')}")
    try:
        return int(module.run(arguments, Settings.load()))
    except SettingsError as error:
        print(f"millrace: {error}", file=sys.stderr)
        return USAGE
    except DependencyError as error:
        print(f"millrace: {error}", file=sys.stderr)
        return UNREACHABLE
    except BrokenPipeError:
        return OK


if __name__ == "__main__":
    sys.exit(main())
