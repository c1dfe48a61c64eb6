"""The report of a run, as JSON. Its form is stable: new fields may come, none change or go.

Latencies are in milliseconds, rates per second over the time of the load, and series by the
second of the run.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aeon.load.histogram import Histogram
from aeon.load.measurements import Measurements
from aeon.load.options import Options
from aeon.load.verdict import Verdict
from aeon.version import VERSION

SCHEMA: Final = "aeon-load-report/1"
_RATES: Final = ("sent", "acked", "delivered", "connected", "resumed", "requests")
_CURVE_POINTS: Final = 200
_BUSY_SHARE: Final = 0.85
_LATE_MS: Final = 20.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """What the load generator itself cost."""

    cpu_seconds: Sequence[float]
    """Of each process, its start included."""
    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything known about a run that is over."""

    options: Options
    url: str
    started_at: datetime
    chats: int
    measurements: Measurements
    verdict: Verdict
    clients: Clients
    server: Json
    faults: Sequence[str]
    """Why it ended early; empty if it did not."""
    read_back: bool
    """Whether event logs and histories were compared, too."""


def status_of(run: Run) -> str:
    """Return ``passed``, ``failed`` (a promise was broken) or ``aborted``."""
    if not run.verdict.is_clean:
        return "failed"
    return "aborted" if run.faults else "passed"


def build_report(run: Run) -> Json:
    """Return the report."""
    options, measurements = run.options, run.measurements
    seconds = options.duration_seconds
    rates = {name: round(measurements.total(name) / seconds, 2) for name in _RATES}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "started_at": run.started_at.isoformat(),
        "status": status_of(run),
        "faults": list(run.faults),
        "scenario": options.scenario.value,
        "url": run.url,
        "asked": {
            "duration_seconds": seconds,
            "users": options.users,
            "chats": run.chats,
            "messages_per_second": options.rate,
            "text_length": options.text_length,
            "seed": options.seed,
            "processes": options.processes,
            "self_serve": options.self_serve,
        },
        "machine": {
            "cpus": os.cpu_count(),
            "processor": _processor(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()}",
        },
        "verdict": {**run.verdict.to_json(), "compared_with_event_log": run.read_back},
        "per_second": {name: rate for name, rate in rates.items() if rate},
        "counts": _plain_counts(measurements),
        "errors": measurements.totals("error."),
        "closes": measurements.totals("close."),
        "http_statuses": measurements.totals("status."),
        "latencies_ms": {
            name: summary_ms(measurements.latency(name)) for name in measurements.latency_names()
        },
        "percentile_curves_ms": {
            name: curve_ms(measurements.latency(name)) for name in measurements.latency_names()
        },
        "series": _series(measurements, int(seconds)),
        "server": run.server,
        "clients": {
            "processes": len(run.clients.cpu_seconds),
            "cpu_seconds": [round(cpu, 3) for cpu in run.clients.cpu_seconds],
            "wall_seconds": round(run.clients.wall_seconds, 3),
        },
        "notes": _notes(run),
    }


def summary_ms(histogram: Histogram) -> Json:
    """Return count, mean and percentiles of a histogram of microseconds."""
    percentiles = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}
    return {
        "count": histogram.count,
        "mean": _ms(histogram.mean),
        "min": _ms(histogram.smallest),
        **{name: _ms(histogram.percentile(percent)) for name, percent in percentiles.items()},
        "max": _ms(histogram.largest),
    }


def curve_ms(histogram: Histogram) -> list[list[float]]:
    """Return the percentile curve as [percent, ms], at most ``_CURVE_POINTS`` of them."""
    points = [[round(percent, 5), _ms(value)] for value, percent in histogram.steps()]
    if len(points) <= _CURVE_POINTS:
        return points
    # Keep what the tail needs, thin out the middle.
    step = len(points) / _CURVE_POINTS
    kept = {int(at * step) for at in range(_CURVE_POINTS)} | {len(points) - 1}
    return [points[at] for at in sorted(kept)]


def _series(measurements: Measurements, seconds: int) -> Json:
    wanted = [name for name in _RATES if measurements.total(name)]
    counts = {name: measurements.counts_by_second(name) for name in wanted}
    latencies = {
        name: measurements.latency_by_second(name) for name in measurements.latency_names()
    }
    last = max([seconds - 1, *(max(by_second, default=0) for by_second in counts.values())])
    span = range(last + 1)
    return {
        "seconds": list(span),
        "counts": {
            name: [by_second.get(second, 0) for second in span]
            for name, by_second in counts.items()
        },
        "latencies_ms": {
            name: {
                label: [
                    _ms(by_second[second].percentile(percent)) if second in by_second else None
                    for second in span
                ]
                for label, percent in (("p50", 50.0), ("p99", 99.0))
            }
            for name, by_second in latencies.items()
        },
    }


def _plain_counts(measurements: Measurements) -> dict[str, int]:
    return {
        name: count
        for name, count in measurements.totals().items()
        if not name.startswith(("error.", "close.", "status."))
    }


def _notes(run: Run) -> list[str]:
    notes = []
    busiest = max(run.clients.cpu_seconds, default=0.0)
    if run.clients.wall_seconds and busiest / run.clients.wall_seconds > _BUSY_SHARE:
        notes.append(
            "A client process was busy most of the time: the latencies are partly its own."
            " Use more --processes or a lower rate."
        )
    late = run.measurements.latency("late")
    if late.count and _ms(late.percentile(99)) > _LATE_MS:
        notes.append(
            f"1 % of the messages left {_ms(late.percentile(99)):g} ms or more behind schedule:"
            " the load generator did not keep up. Latencies count from the schedule."
        )
    if run.measurements.total("strangers"):
        notes.append("Clients received events of chats that they do not belong to.")
    if run.options.self_serve:
        notes.append("Server, database and clients shared this machine's processors.")
    return notes


def _ms(microseconds: float) -> float:
    return round(microseconds / 1000, 3)


def _processor() -> str:
    """Name the processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def exit_status(report: Mapping[str, Any]) -> int:
    """Return 0 only for a run that went to its end with every promise kept."""
    return 0 if report["status"] == "passed" else 1
