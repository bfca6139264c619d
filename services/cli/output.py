"""Rows on stdout, as a table for people or as JSON for programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any


def add_output(parser: argparse.ArgumentParser) -> None:
    """Give a command its ``-o table|json``."""
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="form of the output"
    )


def emit(arguments: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows in the form asked for."""
    print(json.dumps(list(rows), default=str) if arguments.output == "json" else table(rows))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table with aligned columns, named by the first row.

    Examples
    --------
    >>> print(table([{"topic": "a", "records": 1}, {"topic": "bcd", "records": 20}]))
    topic  records
    a      1
    bcd    20
    """
    if not rows:
        return "(none)"
    names = list(rows[0])
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
