"""Plots as SVG elements, to stand in a page by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 320, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 24, 34
BAR_HEIGHT, NAME_WIDTH, BAR_WIDTH = 16, 220, 220
LINE, MUTED, BAND = "#1f5fa8", "#888888", "#c9d9ec"
Point = Sequence[float]


@dataclass(frozen=True, slots=True)
class Axes:
    """Title and axes of a plot, with the values at their ends."""

    title: str
    across: str
    up: str
    least: tuple[float, float] = (0.0, 0.0)
    most: tuple[float, float] = (1.0, 1.0)

    def place(self, point: Point) -> tuple[float, float]:
        """Return where a point stands in the picture."""
        spans = [high - low or 1.0 for low, high in zip(self.least, self.most, strict=True)]
        across = LEFT + (point[0] - self.least[0]) / spans[0] * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (point[1] - self.least[1]) / spans[1] * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(up, 1)


def line_plot(axes: Axes, points: Sequence[Point], is_diagonal: bool = False) -> str:
    """Return a line through points; points of four numbers have an interval, [x, y, low, high]."""
    parts = [_frame(axes)]
    if is_diagonal:
        parts.append(_line([axes.place(axes.least), axes.place(axes.most)], MUTED, "4 3"))
    for point in points:
        if len(point) == 4:
            parts.append(_line([axes.place((point[0], end)) for end in point[2:]], BAND))
    parts.append(_line([axes.place(point[:2]) for point in points], LINE))
    marks = points if len(points) <= 12 else ()
    parts += [
        f'<circle cx="{x}" cy="{y}" r="2.5" fill="{LINE}"/>'
        for x, y in (axes.place(point[:2]) for point in marks)
    ]
    return _svg(WIDTH, HEIGHT, axes.title, parts)


def bar_plot(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """Return a horizontal bar for each name; values below 0 have none."""
    most = max([value for _, value in bars] + [1e-12])
    parts = [_text(0, 14, title, weight="bold")]
    for row, (name, value) in enumerate(bars):
        top = TOP + row * BAR_HEIGHT
        width = round(max(value, 0.0) / most * BAR_WIDTH, 1)
        parts.append(_text(NAME_WIDTH - 6, top + 11, name, anchor="end"))
        parts.append(f'<rect x="{NAME_WIDTH}" y="{top + 2}" width="{width}" height="11" fill="{LINE}"/>')
        parts.append(_text(NAME_WIDTH + width + 4, top + 11, f"{value:.4f}", colour=MUTED))
    height = TOP + len(bars) * BAR_HEIGHT + 6
    return _svg(NAME_WIDTH + BAR_WIDTH + 60, height, title, parts)


def _frame(axes: Axes) -> str:
    (left, bottom), (right, top) = axes.place(axes.least), axes.place(axes.most)
    middle = (left + right) / 2
    parts = [
        _text(middle, 14, axes.title, anchor="middle", weight="bold"),
        f'<rect x="{left}" y="{top}" {_size(right - left, bottom - top)} fill="none" stroke="{MUTED}"/>',
        _text(left, bottom + 13, f"{axes.least[0]:.4g}"),
        _text(right, bottom + 13, f"{axes.most[0]:.4g}", anchor="end"),
        _text(middle, bottom + 28, axes.across, anchor="middle"),
        _text(left - 4, bottom, f"{axes.least[1]:.3g}", anchor="end"),
        _text(left - 4, top + 9, f"{axes.most[1]:.3g}", anchor="end"),
        _text(left - 4, (top + bottom) / 2, axes.up, anchor="end"),
    ]
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], colour: str, dashes: str = "none") -> str:
    path = " ".join(f"{x},{y}" for x, y in points)
    style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
    return f'<polyline points="{path}" {style}/>'


def _text(
    x: float, y: float, text: str, anchor: str = "start", colour: str = "#222222", weight: str = "normal"
) -> str:
    style = f'text-anchor="{anchor}" fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    about = f'xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}"'
    size = f'{_size(width, height)} viewBox="0 0 {width} {height}"'
    return f'<svg {about} {size} font-family="sans-serif" font-size="10">{"".join(parts)}</svg>'


def _size(width: float, height: float) -> str:
    return f'width="{width:.1f}" height="{height:.1f}"'
