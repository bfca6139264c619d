"""Bars as SVG, drawn the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, LABELS, VALUES = 760, 250, 90
BAR, GAP, TOP = 16, 8, 34
COLOURS = {"ours": "#2563eb", "other": "#9ca3af"}


def bars(title: str, rows: Sequence[tuple[str, float, bool]]) -> str:
    """Return horizontal bars; a row is label, value, and whether it is ours."""
    highest = max((value for _, value, _ in rows), default=1.0) or 1.0
    height = TOP + len(rows) * (BAR + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#374151">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{GAP}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, value, is_ours) in enumerate(rows):
        top = TOP + number * (BAR + GAP)
        length = round((WIDTH - LABELS - VALUES) * value / highest, 1)
        colour = COLOURS["ours" if is_ours else "other"]
        middle = top + BAR - 4
        lines += [
            f'<text x="{LABELS - GAP}" y="{middle}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABELS}" y="{top}" width="{length}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LABELS + length + GAP}" y="{middle}">{number_of(value)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def number_of(value: float) -> str:
    """Return a number as people write it.

    Examples
    --------
    >>> number_of(123456.7), number_of(12.34), number_of(0.1234)
    ('123,457', '12.3', '0.123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
