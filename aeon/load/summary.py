"""The report at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from aeon.load.crew import OPENING
from aeon.load.verdict import FAULTS

_TITLES: Final = {
    "ack": "due → ack",
    "delivery": "due → receiver",
    "catch_up": "due → receiver, by resume",
    "shown": "due → shown by a poll",
    "handshake": "connect → greeted",
    "resume": "resume → caught up",
    "command": "other command → ack",
    "late": "behind schedule",
}


def title_of(latency: str) -> str:
    """Say what a latency is from and to."""
    if latency.startswith(OPENING):
        return f"opening: {title_of(latency.removeprefix(OPENING))}"
    if latency.startswith("http."):
        return f"HTTP {latency.removeprefix('http.')}"
    return _TITLES.get(latency, latency)


def show(console: Console, report: Mapping[str, Any]) -> None:
    """Print what matters of a report."""
    for fault in report["faults"]:
        console.print(f"[red]{fault}[/red]", highlight=False)
    console.print(_latencies(report))
    console.print(_figures(report))
    for note in report["notes"]:
        console.print(f"[yellow]{note}[/yellow]", highlight=False)
    show_verdict(console, report["verdict"])


def _latencies(report: Mapping[str, Any]) -> Table:
    table = Table(title="Latency, ms", title_justify="left")
    table.add_column("from → to")
    for column in ("count", "p50", "p90", "p99", "p99.9", "max"):
        table.add_column(column, justify="right")
    for name, figures in report["latencies_ms"].items():
        table.add_row(
            title_of(name),
            f"{figures['count']:,}",
            *(f"{figures[key]:.1f}" for key in ("p50", "p90", "p99", "p99_9", "max")),
        )
    return table


def _figures(report: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    for name, rate in report["per_second"].items():
        table.add_row(name, f"{report['counts'][name]:,} ({rate:,.1f}/s)")
    for title, key in (
        ("errors", "errors"),
        ("closed with", "closes"),
        ("HTTP status", "http_statuses"),
    ):
        if report[key]:
            table.add_row(title, ", ".join(f"{n}: {c:,}" for n, c in report[key].items()))
    clients = report["clients"]
    spent = sum(clients["cpu_seconds"])
    table.add_row(
        "client CPU", f"{spent:.1f} s in {clients['processes']} processes, start included"
    )
    server = report["server"]
    if "cpu_seconds" in server:
        database = server.get("database_cpu_seconds")
        apart = "" if database is None else f", its database {database:.1f} s"
        table.add_row("server CPU", f"{server['cpu_seconds']:.1f} s{apart}, during the load")
    return table


def show_verdict(console: Console, verdict: Mapping[str, Any]) -> None:
    """Print how many promises were broken, with examples."""
    for example in verdict["examples"]:
        console.print(f"[red]  {example}[/red]", highlight=False)
    counts = ", ".join(f"{name.replace('_', ' ')} {verdict[name]}" for name in FAULTS)
    also = "" if verdict["compared_with_event_log"] else " (event logs not compared)"
    colour = "green" if verdict["clean"] else "red"
    console.print(
        f"[{colour}]{verdict['checked_messages']:,} messages,"
        f" {verdict['checked_arrivals']:,} arrivals checked{also}: {counts}[/{colour}]",
        highlight=False,
    )
    if verdict["unacked"]:
        console.print(
            f"{verdict['unacked']} sends were never answered,"
            f" {verdict['unacked_but_delivered']} of them arrived nevertheless (allowed)",
            highlight=False,
        )
