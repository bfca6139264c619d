"""`millrace demo`: the whole stream in fast motion, on a Kafka and Redis of its own."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "--history-days", type=int, default=61, help="days played at full speed before (%(default)s)"
    )
    parser.add_argument("--live-days", type=int, default=12, help="days played to be watched (%(default)s)")
    parser.add_argument("--rate", type=float, default=450.0, help="payments a second, live (%(default)s)")
    parser.add_argument("--customers", type=int, default=600)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where everything lies; a temporary folder otherwise")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the demo; the last line of stdout is one JSON object, the exit code 1 when something is amiss."""
    from services.cli.demo.story import Plot, tell
    from services.cli.demo.view import summary

    plot = Plot(
        arguments.history_days, arguments.live_days, arguments.rate, arguments.customers, arguments.seed
    )
    with tempfile.TemporaryDirectory(prefix="millrace-", ignore_cleanup_errors=True) as temporary:
        result, amiss = tell(plot, arguments.folder or Path(temporary))
    summary(result)
    for sentence in amiss:
        print(f"millrace demo: {sentence}", file=sys.stderr)
    print(json.dumps(result))
    return 1 if amiss else 0
