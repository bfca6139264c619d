"""The card as a page: HTML and Markdown, each a file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from services.training.card.facts import Card
from services.training.card.sections import Section, sections

STYLE = (
    "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;font-size:.85rem}td,th{border:1px solid #ccc;padding:.2rem .5rem;"
    "text-align:left;overflow-wrap:anywhere}h2{margin-top:2rem}svg{margin:.5rem}"
)


def html(card: Card) -> str:
    """Return the card as an HTML page with its plots in it."""
    title = f"Model card {escape(card.manifest.version)}"
    body = "\n".join(_html(section) for section in sections(card))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def markdown(card: Card) -> str:
    """Return the card as Markdown with its plots in it."""
    body = "\n\n".join(_markdown(section) for section in sections(card))
    return f"# Model card {card.manifest.version}\n\n{body}\n"


def _html(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    if section.table:
        head, *rows = section.table
        parts.append(f"<table>{_html_row(head, 'th')}{''.join(_html_row(row, 'td') for row in rows)}</table>")
    return "\n".join([*parts, *section.plots])


def _html_row(row: Sequence[str], cell: str) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(text)}</{cell}>" for text in row) + "</tr>"


def _markdown(section: Section) -> str:
    parts = [f"## {section.heading}", *section.paragraphs]
    if section.table:
        head, *rows = section.table
        lines = [head, ["---"] * len(head), *rows]
        parts.append("\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines))
    parts += [f"![{section.heading}](data:image/svg+xml;base64,{_encoded(plot)})" for plot in section.plots]
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _encoded(plot: str) -> str:
    return base64.b64encode(plot.encode()).decode()
