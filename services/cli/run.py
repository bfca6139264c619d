"""`millrace run SERVICE`: one service in the foreground."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.settings import Settings

SERVICES = {
    "ingest": ("services.ingest",),
    "features.customer": ("services.features", "--entity", "customer"),
    "features.terminal": ("services.features", "--entity", "terminal"),
    "scoring": ("services.scoring",),
    "alerts": ("services.alerts",),
    "labels": ("services.labels",),
    "monitor": ("services.monitor",),
    "training": ("services.training",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("service", choices=sorted(SERVICES))


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Become the service: signals and exit code are its own."""
    import os

    words = [sys.executable, "-m", *SERVICES[arguments.service]]
    os.execv(sys.executable, words)
