"""The report as one HTML page that stands alone: styles and plots inline, no address in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from aeon.load.crew import OPENING
from aeon.load.plots import Axis, Line, linear_axis, log_axis, nines_axis, nines_of, plot
from aeon.load.summary import title_of
from aeon.load.verdict import FAULTS

Json = Mapping[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2430; --faint: #5c6675;
  --rule: #d9dee5; --good: #14713d; --bad: #b3261e; --note: #7a5200;
  --c0: #1f6feb; --c1: #c2410c; --c2: #15803d; --c3: #7e22ce; --c4: #0e7490; --c5: #a16207; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --ink: #e6e9ee;
  --faint: #9aa4b2; --rule: #2d3540; --good: #5fd08b; --bad: #ff8a80; --note: #e8b860;
  --c0: #6ea8fe; --c1: #fb923c; --c2: #4ade80; --c3: #c084fc; --c4: #22d3ee; --c5: #facc15; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
p { margin: .25rem 0; } .faint { color: var(--faint); }
.passed { color: var(--good); } .failed, .aborted { color: var(--bad); }
.note { color: var(--note); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; text-align: right; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
thead th { color: var(--faint); }
svg { width: 100%; height: auto; } svg text { fill: var(--faint); font-size: 11px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--rule); fill: none; } .axis { stroke: var(--faint); fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.c0 { --mine: var(--c0); } .c1 { --mine: var(--c1); } .c2 { --mine: var(--c2); }
.c3 { --mine: var(--c3); } .c4 { --mine: var(--c4); } .c5 { --mine: var(--c5); }
.line { stroke: var(--mine); }
.legend { list-style: none; margin: .25rem 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .25rem 1.25rem; } .legend li::before { content: ""; display: inline-block; width: 1.5rem;
  border-top: 2px solid var(--mine); vertical-align: middle; margin-right: .4rem; }
.legend .dashed::before { border-top-style: dashed; }
"""
_KINDS_IN_A_PLOT: Final = 6
"""As many as there are colours."""
_RATES_APART: Final = 20
_MAX_METRICS: Final = 200
_FIRST: Final = ("ack", "delivery", "catch_up", "handshake", "resume", "command", "shown")


def build_page(report: Json) -> str:
    """Return the page."""
    asked = report["asked"]
    title = f"Aeon load: {report['scenario']}, {asked['users']} people"
    sections = [
        _head(report),
        _section("Promises", _verdict(report["verdict"])),
        _section("Faults", _injected(report)),
        _section("Latency", _latency_table(report)),
        _section("Latency over time", _latency_over_time(report["series"])),
        _section("Percentiles", _curves(report)),
        _section("Rates", _rates(report["series"])),
        _section("Counts", _counts(report)),
        _section("Server and clients", _costs(report)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _head(report: Json) -> str:
    asked, machine = report["asked"], report["machine"]
    lines = [
        f"<h1>Load test <q>{escape(report['scenario'])}</q>:"
        f' <span class="{report["status"]}">{report["status"]}</span></h1>',
        f"<p>{asked['users']:,} people in {asked['chats']:,} chats,"
        f" {asked['messages_per_second']:g} messages a second for"
        f" {asked['duration_seconds']:g} s, {asked['processes']} client processes,"
        f" seed {asked['seed']}</p>",
        f'<p class="faint">{escape(report["started_at"])} · Aeon {escape(report["version"])} ·'
        f" {machine['cpus']} cores, {escape(machine['processor'])} · Python"
        f" {escape(machine['python'])} · {escape(machine['system'])}</p>",
        *(f'<p class="failed">{escape(fault)}</p>' for fault in report["faults"]),
        *(f'<p class="note">{escape(note)}</p>' for note in report["notes"]),
    ]
    return f"<header>{''.join(lines)}</header>"


def _verdict(verdict: Json) -> str:
    rows = [[name.replace("_", " "), f"{verdict[name]:,}"] for name in FAULTS]
    rows.append(["unacked but delivered (allowed)", f"{verdict['unacked_but_delivered']:,}"])
    rows.append(["never answered (allowed)", f"{verdict['unacked']:,}"])
    examples = "".join(f'<li class="failed">{escape(text)}</li>' for text in verdict["examples"])
    how = (
        "Event logs and histories were compared, too."
        if verdict["compared_with_event_log"]
        else "Event logs were not compared."
    )
    return (
        f"<p>{verdict['checked_messages']:,} messages and {verdict['checked_arrivals']:,} arrivals"
        f" were checked one by one. {how}</p>{_table(['', 'count'], rows)}"
        + (f"<ul>{examples}</ul>" if examples else "")
    )


def _injected(report: Json) -> str:
    """Tell what a check broke meanwhile; other runs break nothing."""
    injected = report.get("faults_injected")
    if injected is None:
        return ""
    rows = [[name, f"{times:,}"] for name, times in injected.items()]
    checks = report["commit_checks"]
    return (
        _table(["", "times"], rows)
        + f"<p>{report['nodes']} nodes. {checks['checked']:,} events were looked up in PostgreSQL"
        f" the moment they arrived; {checks['unchecked']:,} more came while it was away.</p>"
    )


def _latency_table(report: Json) -> str:
    columns = ("count", "mean", "p50", "p90", "p99", "p99_9", "max")
    rows = [
        [title_of(name), f"{figures['count']:,}", *(f"{figures[c]:.2f}" for c in columns[1:])]
        for name, figures in report["latencies_ms"].items()
    ]
    names = ["ms", *(column.replace("_", ".") for column in columns)]
    return _table(names, rows) + (
        '<p class="faint">Counted from the moment the schedule set, so a stall of the server shows'
        " in every message it delayed.</p>"
    )


def _plots_of(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (what they are, kinds of latency that share a plot): realtime and HTTP apart."""
    shown = [name for name in names if name != "late" and not name.startswith(OPENING)]
    # Those that tell most come first; what has no colour left is in the table.
    shown.sort(key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    http = [name for name in shown if name.startswith("http.")]
    others = [name for name in shown if not name.startswith("http.")]
    for title, kinds in (("Messages and connections", others), ("HTTP", http)):
        if kinds:
            yield title, kinds[:_KINDS_IN_A_PLOT]


def _latency_over_time(series: Json) -> str:
    seconds, latencies = series["seconds"], series["latencies_ms"]
    plots = []
    for title, names in _plots_of(latencies):
        lines = [
            Line(
                f"{title_of(name)}, {label}",
                list(zip(seconds, values, strict=True)),
                is_dashed=label == "p50",
                colour=number,
            )
            for number, name in enumerate(names)
            for label, values in latencies[name].items()
        ]
        x_axis = linear_axis("second", seconds[-1] or 1)
        plots.append(_plot_logarithmic(f"{title}: latency over time", lines, x_axis, "ms"))
    return "".join(plots)


def _curves(report: Json) -> str:
    curves = report["percentile_curves_ms"]
    plots = []
    for title, names in _plots_of(name for name in curves if curves[name]):
        lines = [
            Line(title_of(name), [(percent, ms) for percent, ms in curves[name]], colour=number)
            for number, name in enumerate(names)
        ]
        most = max(report["latencies_ms"][name]["count"] for name in names)
        x_axis = nines_axis("percent of all that took no longer", nines_of(most))
        plots.append(_plot_logarithmic(f"{title}: percentiles", lines, x_axis, "ms"))
    return "".join(plots)


def _plot_logarithmic(label: str, lines: Sequence[Line], x_axis: Axis, y_title: str) -> str:
    values = [y for line in lines for _, y in line.points if y is not None]
    if not values:
        return ""
    return plot(label, lines, x_axis, log_axis(y_title, min(values), max(values)))


def _rates(series: Json) -> str:
    seconds, counts = series["seconds"], series["counts"]
    highest = {name: max(values) for name, values in counts.items()}
    if not any(highest.values()):
        return ""
    x_axis = linear_axis("second", seconds[-1] or 1)
    # A few messages and their thousands of deliveries show side by side only on such an axis.
    is_logarithmic = max(highest.values()) > _RATES_APART * min(highest.values())
    lines = [
        Line(
            name,
            [
                (second, None if is_logarithmic and not value else value)
                for second, value in zip(seconds, values, strict=True)
            ],
            colour=number,
        )
        for number, (name, values) in enumerate(counts.items())
    ]
    if is_logarithmic:
        return _plot_logarithmic("Rates", lines, x_axis, "per second")
    return plot("Rates", lines, x_axis, linear_axis("per second", max(highest.values())))


def _counts(report: Json) -> str:
    rows = [
        [name, f"{count:,}", f"{report['per_second'].get(name, '')}"]
        for name, count in report["counts"].items()
    ]
    for title, key in (("error", "errors"), ("closed", "closes"), ("HTTP", "http_statuses")):
        rows += [[f"{title} {name}", f"{count:,}", ""] for name, count in report[key].items()]
    return _table(["", "count", "per second"], rows)


def _costs(report: Json) -> str:
    server, clients = report["server"], report["clients"]
    rows = [
        [f"client process {n + 1}, CPU s", f"{s}"] for n, s in enumerate(clients["cpu_seconds"])
    ]
    for key, title in (
        ("cpu_seconds", "server, CPU s during the load"),
        ("database_cpu_seconds", "its database, CPU s during the load"),
    ):
        if key in server:
            rows.append([title, f"{server[key]}"])
    metrics = list(server.get("metrics", {}).items())[:_MAX_METRICS]
    rows += [[name, f"{value:,}"] for name, value in metrics]
    return _table(["", ""], rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'
