"""Numbers as people read them in a column. What is not known is a dash, never a zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

UNKNOWN: Final = "-"
_BARS: Final = "▁▂▃▄▅▆▇█"


def as_number(value: object) -> float | None:
    """Give a figure of an answer as a number; None if it is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type] # checked above


def count(value: object) -> str:
    """Write a number of things."""
    number = as_number(value)
    return UNKNOWN if number is None else f"{number:,.0f}"


def rate(value: object) -> str:
    """Write a number of things per second."""
    number = as_number(value)
    if number is None:
        return UNKNOWN
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def duration(value: object) -> str:
    """Write a length of time, given in seconds, with a unit that suits it."""
    seconds = as_number(value)
    if seconds is None:
        return UNKNOWN
    ms = seconds * 1000
    if seconds <= 0:
        return "0 s"
    if ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def size(value: object) -> str:
    """Write a number of bytes."""
    number = as_number(value)
    if number is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return (
                f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
            )
        number /= 1000
    return f"{number:.1f} GB"


def bars(values: Sequence[float | None], width: int) -> str:
    """Draw the last values as a row of bars, the newest at the right; gaps are blank."""
    shown = values[-width:]
    top = max((value for value in shown if value is not None), default=0.0) or 1.0
    drawn = "".join(
        " " if value is None else _BARS[min(len(_BARS) - 1, int(value / top * len(_BARS)))]
        for value in shown
    )
    return drawn.rjust(width)
