"""Figures as something to look at in a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aeon.top.source import STUCK_SECONDS, Figures, Json
from aeon.top.units import UNKNOWN, as_number, bars, count, duration, rate, size

HISTORY: Final = 120
_BARS_WIDTH: Final = 20
_SHOWN_STUCK: Final = 5
_STATE_STYLES: Final = {"busy": "green", "idle": "dim", "backoff": "yellow", "stopping": "yellow"}


@dataclass(slots=True)
class Trend:
    """The rates of the last looks."""

    messages: deque[float | None] = field(default_factory=lambda: deque(maxlen=HISTORY))
    deliveries: deque[float | None] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def add(self, figures: Figures) -> None:
        """Note one look."""
        rates = figures.system.get("rates") or {}
        self.messages.append(as_number(rates.get("messages_per_second")))
        self.deliveries.append(as_number(rates.get("deliveries_per_second")))


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Json], str | Text]
    from_width: int = 0
    """Left out on terminals that are narrower."""
    is_number: bool = False


def _word(value: object) -> str:
    """Give a server's word without anything that a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in str(value))


def _is_stuck(row: Json) -> bool:
    return (as_number(row.get("current_seconds")) or 0.0) > STUCK_SECONDS


def _state(row: Json) -> Text:
    if _is_stuck(row):
        return Text("stuck", "bold red")
    state = _word(row.get("state", ""))
    return Text(state, _STATE_STYLES.get(state, ""))


def _work(row: Json) -> Text:
    message = row.get("current_message")
    return Text(_word(message) if message else UNKNOWN, "red" if _is_stuck(row) else "")


def _time_at_work(row: Json) -> str:
    return duration(row.get("current_seconds") if row.get("current_message") else None)


def _queue(row: Json) -> Text:
    depth, capacity = as_number(row.get("depth")) or 0.0, as_number(row.get("capacity")) or 0.0
    share = depth / capacity if capacity else 0.0
    style = "red" if share >= 0.9 else "yellow" if share >= 0.5 else ""
    return Text(f"{count(depth)}/{count(capacity)}", style)


# Narrower terminals see fewer columns, from the left.
_COLUMNS: Final = (
    _Column("ACTOR", lambda row: _word(row.get("address"))),
    _Column("STATE", _state),
    _Column("WORKS ON", _work),
    _Column("FOR", _time_at_work, is_number=True),
    _Column("QUEUE", _queue, is_number=True),
    _Column("OLDEST", lambda row: duration(row.get("oldest_message_seconds")), 72, True),
    _Column("HANDLED", lambda row: count(row.get("handled")), 84, True),
    _Column("P50", lambda row: duration(row.get("handling_p50_seconds")), 104, True),
    _Column("P99", lambda row: duration(row.get("handling_p99_seconds")), 94, True),
    _Column("FAILED", lambda row: count(row.get("failed")), 112, True),
    _Column("RESTARTS", lambda row: count(row.get("restarts")), 122, True),
    _Column("IDLE", lambda row: duration(row.get("idle_seconds") or None), 132, True),
)


def draw(figures: Figures, trend: Trend, *, width: int, rows: int, sort: str) -> Group:
    """Draw one look, with at most ``rows`` actors."""
    parts: list[RenderableType] = [_head(figures.system)]
    parts += _figures(figures.system, trend)
    parts += _stuck(figures)
    parts += [Text(), _actors(figures.page, width, rows, sort)]
    return Group(*parts)


def lines_around(figures: Figures) -> int:
    """Give how many lines ``draw`` needs beside the actors, and the footer's two."""
    return 11 + len(_stuck(figures))


def footer(sort: str, trouble: str) -> Text:
    """Say which keys there are; or what is wrong."""
    if trouble:
        return Text(trouble, "bold red")
    return Text.assemble(("q", "bold"), " quit  ", ("s", "bold"), f" order: {sort}", style="dim")


def _head(system: Json) -> Text:
    state = ("draining", "yellow") if system.get("draining") else ("up", "green")
    text = Text.assemble(
        ("Aeon ", "bold"), _word(system.get("node")), "  ", state, " for ",
        duration(system.get("uptime_seconds")),
    )  # fmt: skip
    versions = (f"{name} {_word(system[name])}" for name in ("python", "trio") if name in system)
    text.append(f"  {_word(system.get('version'))}, {', '.join(versions)}", "dim")
    return text


def _bus_state(bus: Json | None) -> str:
    if not bus:
        return "off"
    if not bus.get("is_connected"):
        return "lost"
    return "refused" if bus.get("is_refused") else "up"


def _figures(system: Json, trend: Trend) -> list[Text]:
    rates, writer = _part(system, "rates"), _part(system, "writer")
    fanout, outboxes = _part(system, "fanout"), _part(system, "outboxes")
    database, loop = _part(system, "database"), _part(system, "event_loop")
    pairs = [
        ("writer", f"commit p99 {duration(writer.get('commit_p99_seconds'))},"
                   f" {count(writer.get('queued_commands'))} wait"),
        ("pool", f"{count(database.get('in_use'))}/{count(database.get('size'))} in use,"
                 f" {count(database.get('waiting'))} wait"),
        ("connections", f"{count(fanout.get('sessions'))} of {count(fanout.get('users'))} people"),
        ("outboxes", f"{count(outboxes.get('pending_frames'))} frames,"
                     f" {size(outboxes.get('pending_bytes'))}"),
        ("event loop", f"p99 {duration(loop.get('lag_p99_seconds'))} late,"
                       f" longest {duration(loop.get('lag_max_seconds'))}"),
        ("bus", _bus_state(system.get("bus"))),
    ]  # fmt: skip
    return [
        _rate("messages/s", rates.get("messages_per_second"), trend.messages),
        _rate("deliveries/s", rates.get("deliveries_per_second"), trend.deliveries),
        *(_line(pairs[at : at + 2]) for at in range(0, len(pairs), 2)),
    ]


def _part(system: Json, name: str) -> dict[str, Any]:
    return system.get(name) or {}


def _rate(label: str, value: object, values: deque[float | None]) -> Text:
    return Text.assemble(
        (f"{label:<13}", "dim"), f"{rate(value):>9}  ", (bars(list(values), _BARS_WIDTH), "cyan")
    )


def _line(pairs: list[tuple[str, str]]) -> Text:
    line = Text()
    for label, value in pairs:
        line.append(f"{label:<13}", "dim").append(f"{value:<34}")
    return line


def _stuck(figures: Figures) -> list[Text]:
    if not figures.stuck:
        return []
    number = len(figures.stuck)
    lines = [Text(f"{number} {'actor is' if number == 1 else 'actors are'} stuck", "bold red")]
    for row in figures.stuck[:_SHOWN_STUCK]:
        address, message = _word(row.get("address")), _word(row.get("current_message"))
        words = f"  {address} at {message} for {_time_at_work(row)}"
        lines.append(Text(f"{words}, {count(row.get('depth'))} wait", "red"))
    return lines


def _actors(page: Json, width: int, rows: int, sort: str) -> Table:
    table = Table(
        title=f"{count(page.get('total'))} actors by {sort}",
        title_justify="left", title_style="dim", box=None, padding=(0, 2, 0, 0), expand=False,
    )  # fmt: skip
    columns = [column for column in _COLUMNS if width >= column.from_width]
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            header_style="dim",
        )
    for row in page["actors"][:rows]:
        cells = (column.cell(row) for column in columns)
        # A bare string would be read as Rich's markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
    return table
