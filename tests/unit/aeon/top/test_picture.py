"""One look at a node, drawn for terminals of any width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from aeon.top.options import Sort
from aeon.top.picture import Trend, draw, footer, lines_around
from aeon.top.source import Figures

SYSTEM: dict[str, Any] = {
    "node": "node-1",
    "version": "0.1.0",
    "uptime_seconds": 3700.0,
    "draining": False,
    "writer": None,
    "bus": None,
    "rates": {"messages_per_second": 12.5, "deliveries_per_second": 250.0},
}


def row(key: int, **fields: Any) -> dict[str, Any]:
    return {
        "address": f"chat/{key}",
        "state": "idle",
        "depth": 0,
        "capacity": 1000,
        "current_message": None,
        "current_seconds": None,
        **fields,
    }


STUCK = row(
    12, state="busy", depth=950, current_message="SendMessage x3", current_seconds=14.0
)  # fmt: skip


def figures(*, stuck: bool = False, rows: int = 3) -> Figures:
    actors = [STUCK, *(row(key) for key in range(rows))]
    return Figures(SYSTEM, {"total": 400, "actors": actors}, (STUCK,) if stuck else ())


def text_of(shown: Figures, width: int = 140, rows: int = 50) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    trend = Trend()
    trend.add(shown)
    console.print(draw(shown, trend, width=width, rows=rows, sort="busiest"))
    return console.export_text()


def test_what_is_stuck_is_said_above_the_actors() -> None:
    text = text_of(figures(stuck=True))
    assert "1 actor is stuck" in text
    assert "chat/12 at SendMessage x3 for 14 s, 950 wait" in text
    assert text.index("stuck") < text.index("ACTOR")
    assert "is stuck" not in text_of(figures())


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = text_of(figures(stuck=True), width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("chat/12" in line for line in lines)


def test_a_full_screen_holds_the_picture_and_the_footer() -> None:
    shown, height = figures(stuck=True, rows=100), 30
    room = height - lines_around(shown)
    lines = text_of(shown, rows=room).splitlines()
    # A blank line and the footer follow.
    assert len(lines) + 2 == height


def test_figures_that_a_server_does_not_have_are_dashes() -> None:
    text = text_of(figures())
    assert "commit p99 -, - wait" in text
    assert "None" not in text


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    evil = row(1, current_message="\x1b]0;owned\x07Send", address="chat/\x1b[31m1[red]")
    shown = Figures(SYSTEM, {"total": 1, "actors": [evil]}, ())
    text = text_of(shown)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "chat/?[31m1[red]" in text


def test_the_key_s_goes_through_every_order() -> None:
    seen = [Sort.BUSIEST]
    while (following := seen[-1].next()) not in seen:
        seen.append(following)
    assert seen == list(Sort)
    assert "order: depth" in footer(Sort.DEPTH, "").plain
    assert footer(Sort.DEPTH, "away").plain == "away"
