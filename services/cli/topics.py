"""`millrace topics`: the topics of schemas/topics.toml on the broker."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from services.cli.output import add_output, emit
from shared.settings import Settings
from shared.stream import topics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("verb", choices=("plan", "apply"), help="show the differences, or make them good")
    add_output(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit code 1 where `plan` found differences."""
    changes = topics.plan(settings) if arguments.verb == "plan" else topics.apply(settings)
    emit(arguments, [asdict(change) for change in changes])
    return 1 if arguments.verb == "plan" and changes else 0
