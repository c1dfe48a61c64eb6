"""Line plots as inline SVG: no script, no address, colours from the page's variables. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 34
_COLOURS: Final = 6
_NICE: Final = (1, 2, 5)

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; a point without a y leaves a gap."""

    name: str
    points: Sequence[Point]
    is_dashed: bool = False
    colour: int = 0
    """Number of one of the page's colours, from 0."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From numbers to a place, with marks."""

    place: Callable[[float], float]
    """0..1 for a number."""
    ticks: Sequence[tuple[float, str]]
    title: str


def linear_axis(title: str, highest: float, lowest: float = 0.0) -> Axis:
    """Make an axis with about five round marks."""
    span = max(highest - lowest, 1e-9)
    step = _nice_step(span / 5)
    ticks = []
    at = math.ceil(lowest / step) * step
    while at <= highest * (1 + 1e-9):
        ticks.append((at, _number(at)))
        at += step
    return Axis(lambda value: (value - lowest) / span, ticks, title)


def log_axis(title: str, lowest: float, highest: float) -> Axis:
    """Make a logarithmic axis marked at 1, 2 and 5 of each power of ten."""
    lowest = max(lowest, 1e-3)
    highest = max(highest, lowest * 10)
    bottom, top = math.log10(lowest), math.log10(highest)
    ticks = [
        (digit * 10.0**power, _number(digit * 10.0**power))
        for power in range(math.floor(bottom), math.ceil(top) + 1)
        for digit in (_NICE if top - bottom < 2.5 else (1,))
        if lowest <= digit * 10.0**power <= highest
    ]
    return Axis(
        lambda value: (math.log10(max(value, lowest)) - bottom) / (top - bottom), ticks, title
    )


def nines_axis(title: str, most_nines: float) -> Axis:
    """Make an axis of percentiles that gives 90, 99, 99.9 … the same room each."""
    named = [(0.0, "0"), (50.0, "50"), (90.0, "90"), (99.0, "99"), (99.9, "99.9"), (99.99, "99.99")]
    ticks = [tick for tick in named if _nines(tick[0]) <= most_nines + 1e-9]
    return Axis(lambda percent: min(_nines(percent) / most_nines, 1.0), ticks, title)


def nines_of(count: int) -> float:
    """Return how many nines a number of samples can show."""
    return max(1.0, math.log10(max(count, 1)))


def _nines(percent: float) -> float:
    return -math.log10(max(1 - percent / 100, 1e-9))


def plot(label: str, lines: Sequence[Line], x_axis: Axis, y_axis: Axis) -> str:
    """Draw lines into an SVG with a legend; ``label`` is for those who can not see it."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">',
        *_grid(x_axis, y_axis),
    ]
    for line in lines:
        dash = ' stroke-dasharray="5 4"' if line.is_dashed else ""
        parts.append(
            f'<path class="line c{line.colour % _COLOURS}"{dash} d="{_path(line, x_axis, y_axis)}">'
            f"<title>{escape(line.name)}</title></path>"
        )
    parts.append("</svg>")
    return "".join(parts) + _legend(lines)


def _x(share: float) -> float:
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _path(line: Line, x_axis: Axis, y_axis: Axis) -> str:
    steps: list[str] = []
    pen_is_down = False
    for x, y in line.points:
        if y is None:
            pen_is_down = False
            continue
        place = f"{_x(x_axis.place(x)):.1f} {_y(y_axis.place(y)):.1f}"
        # A point alone is a short dash, so that it can be seen.
        steps.append(f"L{place}" if pen_is_down else f"M{place}h0.1")
        pen_is_down = True
    return "".join(steps)


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for value, text in y_axis.ticks:
        y = _y(y_axis.place(value))
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{text}</text>')
    for value, text in x_axis.ticks:
        x = _x(x_axis.place(value))
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" class="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    parts.append(
        f'<text x="{middle:g}" y="{HEIGHT - 4}" class="middle">{escape(x_axis.title)}</text>'
        f'<text x="12" y="{(_TOP + bottom) / 2:g}" class="middle"'
        f' transform="rotate(-90 12 {(_TOP + bottom) / 2:g})">{escape(y_axis.title)}</text>'
    )
    return parts


def _legend(lines: Sequence[Line]) -> str:
    items = "".join(
        f'<li class="c{line.colour % _COLOURS}{" dashed" if line.is_dashed else ""}">'
        f"<span>{escape(line.name)}</span></li>"
        for line in lines
    )
    return f'<ul class="legend">{items}</ul>'


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-9)))
    return next((power * nice for nice in _NICE if power * nice >= rough), power * 10)


def _number(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.6g}"
