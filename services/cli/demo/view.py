"""The live view: a table that redraws itself on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from services.cli.demo.watch import Seen

REDRAWS_PER_SECOND = 4
LINE_SECONDS = 5.0
SHOWN_REASONS = 2


class View:
    """Draws what is seen until `close`; drawn on stderr, since stdout is for results."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=REDRAWS_PER_SECOND, transient=True)
        self._began = self._line_due = time.monotonic()
        if self._console.is_terminal:
            self._live.start()

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._console.print(text, highlight=False)

    def draw(self, title: str, seen: Seen) -> None:
        """Show the numbers of now."""
        now = time.monotonic()
        if self._console.is_terminal:
            self._live.update(_picture(title, seen, now - self._began))
        elif now >= self._line_due:
            self._line_due = now + LINE_SECONDS
            self.say(f"{title}: {_numbers(seen, now - self._began)}")

    def restart(self) -> None:
        """Count rates from now."""
        self._began = time.monotonic()

    def close(self) -> None:
        """End the drawing."""
        if self._console.is_terminal:
            self._live.stop()


def summary(result: Mapping[str, Any]) -> None:
    """Print the results as a table on stderr."""
    table = Table("", "", show_header=False, title="What happened")
    for name, value in _figures(result):
        table.add_row(name.replace("_", " "), _text(value))
    Console(file=sys.stderr).print(table)


def _figures(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield name, len(value) if isinstance(value, list) else value


def _picture(title: str, seen: Seen, seconds: float) -> Group:
    counts = Table(title=title, title_justify="left")
    for heading in ("", "records", "a second"):
        counts.add_column(heading, justify="left" if not heading else "right")
    for name, count in sorted(seen.counts.items()):
        counts.add_row(name.replace("_", " "), f"{count:,}", f"{count / max(seconds, 0.001):,.0f}")
    counts.add_row("latency p50 / p99", f"{_ms(seen.latency(0.5))} / {_ms(seen.latency(0.99))}", "")
    alerts = Table(title="newest alerts", title_justify="left")
    for heading in ("customer", "amount", "score", "decision", "reasons"):
        alerts.add_column(heading)
    for alert in list(seen.alerts):
        amount = f"{alert['amount'] / 100:,.2f} {alert['currency']}"
        row = (alert["customer_id"], amount, f"{alert['score']:.2f}", str(alert["decision"]))
        alerts.add_row(*row, _reasons(alert))
    letters = ", ".join(f"{reason} {count}" for reason, count in seen.reasons.most_common())
    return Group(counts, alerts, f"dead letters: {letters or 'none'}")


def _numbers(seen: Seen, seconds: float) -> str:
    counts = seen.counts
    parts = [f"{counts[name]:,} {name.replace('_', ' ')}" for name in ("payments", "scored", "alerts")]
    parts += [f"{counts[name]:,} {name.replace('_', ' ')}" for name in ("labels", "dead_letters")]
    rate = f"{counts['scored'] / max(seconds, 0.001):,.0f} scores/s"
    newest = f"; newest alert: {_reasons(seen.alerts[-1])}" if seen.alerts else ""
    return f"{', '.join(parts)}; {rate}; p50 {_ms(seen.latency(0.5))} p99 {_ms(seen.latency(0.99))}{newest}"


def _reasons(alert: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{each['feature']} {_text(each['value'])} (typical {_text(each['typical'])})"
        for each in alert["reasons"][:SHOWN_REASONS]
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _text(value: Any) -> str:
    if value is None:
        return "undefined"
    return (
        f"{value:,.3g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
