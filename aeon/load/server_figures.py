"""What the server says and costs: its processor time and its ``/metrics``, before and after.

Processor time of the run's own server comes from ``/proc``, for the server and its database
apart. Of a server elsewhere there is what ``/metrics`` tells, if it may be asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aeon.load.http import BadAnswer, HttpClient

_SAMPLE: Final = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{.*\})? ([-+.\deE]*\d)(?: \d+)?$")
_SHOWN: Final = ("aeon_", "process_cpu_seconds_total", "process_resident_memory_bytes")
_LEFT_OUT: Final = ("_bucket", "_created")
_GAUGE: Final = "gauge"
_DATABASE: Final = {"postgres", "postmaster"}


@dataclass(slots=True)
class ServerFigures:
    """Two looks at a server, and the difference."""

    http: HttpClient
    pid: int | None = None
    """The server's process, if it runs here and is ours."""
    token: str = ""
    """For ``/metrics``."""
    _looks: list[_Look] = field(default_factory=list)

    async def look(self) -> None:
        """Take the figures as they are now."""
        self._looks.append(
            _Look(
                processes=cpu_of_tree(self.pid) if self.pid else {},
                samples=await self._scrape(),
            )
        )

    async def _scrape(self) -> dict[str, tuple[str, float]]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            reply = await self.http.request("GET", "/metrics", headers=headers)
        except (OSError, BadAnswer):
            return {}
        return read_metrics(reply.body.decode(errors="replace")) if reply.status == 200 else {}

    def to_json(self) -> dict[str, Any]:
        """Return what happened between the first and the last look; empty if there was none."""
        if len(self._looks) < 2:
            return {}
        first, last = self._looks[0], self._looks[-1]
        figures: dict[str, Any] = {}
        if last.processes:
            spent = {
                pid: (name, seconds - first.processes.get(pid, (name, 0.0))[1])
                for pid, (name, seconds) in last.processes.items()
            }
            database = sum(seconds for name, seconds in spent.values() if name in _DATABASE)
            # The rest is the server: one process, or a supervisor and its workers.
            own = sum(seconds for _, seconds in spent.values()) - database
            figures["cpu_seconds"] = round(own, 3)
            figures["database_cpu_seconds"] = round(database, 3)
        metrics = difference(first.samples, last.samples)
        if "cpu_seconds" not in figures and "process_cpu_seconds_total" in metrics:
            figures["cpu_seconds"] = metrics["process_cpu_seconds_total"]
        if metrics:
            figures["metrics"] = metrics
        return figures


@dataclass(frozen=True, slots=True)
class _Look:
    processes: Mapping[int, tuple[str, float]]
    samples: Mapping[str, tuple[str, float]]


def read_metrics(text: str) -> dict[str, tuple[str, float]]:
    """Read Prometheus' text form: name to (kind, sum over its labels)."""
    kinds: dict[str, str] = {}
    samples: dict[str, tuple[str, float]] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            kinds[name] = kind
        elif not line.startswith("#") and (match := _SAMPLE.match(line)):
            name = match[1]
            if name.startswith(_SHOWN) and not name.endswith(_LEFT_OUT):
                before = samples.get(name, ("", 0.0))[1]
                samples[name] = (kinds.get(name, ""), before + float(match[2]))
    return samples


def difference(
    first: Mapping[str, tuple[str, float]], last: Mapping[str, tuple[str, float]]
) -> dict[str, float]:
    """Return how far counters went, and where gauges stand."""
    result = {}
    for name, (kind, value) in sorted(last.items()):
        before = 0.0 if kind == _GAUGE else first.get(name, ("", 0.0))[1]
        # A counter that went back belongs to a server that was started again.
        change = value - before if value >= before else value
        if change:
            result[name] = round(change, 6)
    return result


def cpu_of_tree(root: int) -> dict[int, tuple[str, float]]:
    """Return process id to (name, processor seconds) of a process and its descendants."""
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    found: dict[int, tuple[str, float]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            text = (directory / "stat").read_text()
        except OSError:
            continue  # it ended while we looked
        pid = int(directory.name)
        name, _, rest = text.partition("(")[2].rpartition(")")
        fields = rest.split()
        parents[pid] = int(fields[1])
        # utime and stime, and those of children that ended (a PostgreSQL backend, say).
        ticks = sum(int(number) for number in fields[11:15])
        found[pid] = (name, ticks / tick)
    return {pid: found[pid] for pid in found if _descends(pid, root, parents)}


def _descends(pid: int, root: int, parents: Mapping[int, int]) -> bool:
    while pid > 1:
        if pid == root:
            return True
        pid = parents.get(pid, 0)
    return False
