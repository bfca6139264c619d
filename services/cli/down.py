"""`millrace down`: ends what `millrace up` started."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.settings import Settings

STOP_SECONDS = 40.0  # services 12, Redis 5, Kafka 12, and room
END_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; 1 if something had to be killed."""
    from deploy.local.processes import end
    from deploy.local.running import FOLDER, running
    from deploy.local.stack import STATE_FILE

    found = running()
    if found is None:
        print(f"millrace: nothing runs in {FOLDER.absolute()}", file=sys.stderr)
        return 0
    killed = end([found.process], STOP_SECONDS)
    killed += end(found.others, END_SECONDS)
    (FOLDER / STATE_FILE).unlink(missing_ok=True)
    print("millrace: stopped" + (", by force" if killed else ""), file=sys.stderr)
    return 1 if killed else 0
