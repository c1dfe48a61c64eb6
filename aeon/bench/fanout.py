"""Fan-out: what one event to every member of a chat costs the server, by three ways of sending.

- ``quart``: ``await websocket.send(text)`` for each member, on Hypercorn as it comes;
- ``bare``: a loop of non-blocking ``socket.send`` calls of ready frames, as the limit;
- ``transport``: ``send_nowait`` of ready frames on this server.

The receivers are a process of their own; only this process's CPU time counts. All ways run
one after the other in the same run, in single events and in commits of ten.

Each run begins with a warm-up that does not count. Latency at half load is measured in
``HALF_LOAD_WINDOWS`` windows, each with members of its own, and the window with the median p99 is
the result: whatever else the machine does for a moment spoils a window and not the figure. The p99
of every window is printed beside it, so a spread can be seen.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Final

import trio
import typer
from rich.console import Console
from rich.table import Table

from aeon.bench.child import child, first_line
from aeon.bench.fanout_client import WARM_UP, payload
from aeon.bench.fanout_rooms import WAYS, Open, Room, open_transport
from aeon.interruption import run_until_interrupted
from aeon.load.faults import LoadFault

PACED_WRITES_PER_SECOND: Final = 30_000
"""Socket writes offered per second: few enough for the receiving process to keep up, so that
every write finds an empty socket."""
BURST: Final = 10
MAX_P99_MS: Final = 20.0
HALF_LOAD: Final = "transport, half load"
HALF_LOAD_WINDOWS: Final = 5
WARM_UP_SECONDS: Final = 0.5
CLIENT: Final = [sys.executable, "-m", "aeon.bench.fanout_client"]


@dataclass(frozen=True, slots=True)
class FanoutResult:
    """One way of sending, one size of chat, one size of commit."""

    way: str
    members: int
    events_per_commit: int
    deliveries: int
    us_per_delivery: float
    """Server CPU time per event and member."""
    deliveries_per_cpu_second: int
    deliveries_per_second: int
    """By the wall clock, as offered; ``quart`` runs as fast as it can, the others are paced."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    windows_p99_ms: tuple[float, ...] = ()
    """At half load: of every window, in order."""


async def measure(members: Sequence[int], seconds: float) -> list[FanoutResult]:
    """Run every way for each size of chat, ``seconds`` each."""
    results: list[FanoutResult] = []
    for count in members:
        for events in (1, BURST):
            for way, opened in WAYS.items():
                rate = None if way == "quart" else PACED_WRITES_PER_SECOND
                results.append(await _run(way, opened, count, events, seconds, rate))
        capacity = next(r for r in results if (r.way, r.members) == ("transport", count))
        half = capacity.deliveries_per_cpu_second // 2
        windows = [
            await _run(HALF_LOAD, open_transport, count, 1, seconds / 2, half)
            for _ in range(HALF_LOAD_WINDOWS)
        ]
        results.append(_median_window(windows))
    return results


def _median_window(windows: list[FanoutResult]) -> FanoutResult:
    """Give the window with the median p99, and the p99 of all."""
    median = sorted(windows, key=lambda window: window.p99_ms)[len(windows) // 2]
    return replace(median, windows_p99_ms=tuple(window.p99_ms for window in windows))


async def _run(
    way: str, opened: Open, members: int, events: int, seconds: float, writes_per_second: int | None
) -> FanoutResult:
    pause = members / writes_per_second if writes_per_second else 0.0
    async with opened() as room, child([*CLIENT, str(room.port), str(members)]) as client:
        if await first_line(client) != "ready":
            raise LoadFault(f"{members} members could not connect; see ulimit -n")
        with trio.fail_after(10):
            while room.count() < members:  # noqa: ASYNC110 - the members come from outside
                await trio.sleep(0.01)
        warm, _, _ = await _send_rounds(room, events, WARM_UP_SECONDS, pause, filler=WARM_UP)
        rounds, cpu_seconds, wall_seconds = await _send_rounds(room, events, seconds, pause)
        room.close()
        assert client.stdout is not None
        output = b"".join([bytes(chunk) async for chunk in client.stdout])
        await client.wait()
    received = json.loads(output)
    deliveries = rounds * members * events
    sent = deliveries + warm * members * events
    if received["frames"] != sent:
        raise RuntimeError(f"{way}: sent {sent} frames, {received['frames']} arrived")
    return FanoutResult(
        way=way,
        members=members,
        events_per_commit=events,
        deliveries=deliveries,
        us_per_delivery=round(cpu_seconds / deliveries * 1e6, 2),
        deliveries_per_cpu_second=int(deliveries / cpu_seconds),
        deliveries_per_second=int(deliveries / wall_seconds),
        **{f"{name}_ms": value for name, value in received["ms"].items()},
    )


async def _send_rounds(
    room: Room, events: int, seconds: float, pause_seconds: float, *, filler: str = "x"
) -> tuple[int, float, float]:
    """Send commits for a time: how many, and the CPU and wall time they took."""
    started = due = trio.current_time()
    cpu_before = time.process_time()
    rounds = 0
    while trio.current_time() < started + seconds:
        await room.send(tuple(payload(time.monotonic_ns(), filler) for _ in range(events)))
        rounds += 1
        due += pause_seconds
        await trio.sleep_until(due)
    return rounds, time.process_time() - cpu_before, trio.current_time() - started


def missed(results: list[FanoutResult]) -> list[str]:
    """Name the demands that this run did not meet, judged at its largest chat."""
    largest = max(result.members for result in results)
    rate = {
        (r.way, r.events_per_commit): r.deliveries_per_cpu_second
        for r in results
        if r.members == largest
    }
    single, commit = rate["transport", 1], rate["transport", BURST]
    late = [r.p99_ms for r in results if r.way == HALF_LOAD and r.p99_ms > MAX_P99_MS]
    demands = {
        "single events at 10 times plain Quart": single >= 10 * rate["quart", 1],
        "single events at 0.7 of the bare loop": single >= 0.7 * rate["bare", 1],
        "commits of ten at 3 times the bare loop": commit >= 3 * rate["bare", 1],
        f"p99 at half load within {MAX_P99_MS:.0f} ms": not late,
    }
    return [demand for demand, is_met in demands.items() if not is_met]


def show(results: list[FanoutResult], console: Console) -> None:
    """Print the figures as a table."""
    table = Table(title="Fan-out: server CPU per delivery, latency to the receiving process")
    for name in ("way", "members", "events", "us", "per CPU s", "x quart", "x bare"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for name in ("p50 ms", "p95 ms", "p99 ms", "max ms"):
        table.add_column(name, justify="right")
    for result in results:
        table.add_row(*_cells(result, results))
    console.print(table)
    for result in results:
        if result.windows_p99_ms:
            windows = ", ".join(f"{ms:.2f}" for ms in result.windows_p99_ms)
            console.print(f"{result.way}, {result.members} members, p99 of each window: {windows}")


def command(
    members: Annotated[str, typer.Option(help="Sizes of the chat, a comma list.")] = "100,500",
    seconds: Annotated[float, typer.Option(help="How long each way sends.", min=0.1)] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure fan-out: plain Quart sends, a bare loop of sends, and the transport."""
    if not re.fullmatch(r"[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*", members):
        raise typer.BadParameter("give sizes like 100,500", param_hint="--members")
    sizes = [int(count) for count in members.split(",")]
    results = run_until_interrupted(measure, sizes, seconds)
    unmet = missed(results)
    if as_json:
        document = {"results": [asdict(result) for result in results], "missed": unmet}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        console = Console(width=110)
        show(results, console)
        for demand in unmet:
            console.print(f"missed: {demand}", style="red")
    if unmet:
        raise typer.Exit(1)


def _cells(result: FanoutResult, results: list[FanoutResult]) -> list[str]:
    def ratio(way: str) -> str:
        key = (way, result.members, 1)
        other = next(r for r in results if (r.way, r.members, r.events_per_commit) == key)
        return f"{result.deliveries_per_cpu_second / other.deliveries_per_cpu_second:.2f}"

    return [
        result.way,
        str(result.members),
        str(result.events_per_commit),
        f"{result.us_per_delivery:.2f}",
        f"{result.deliveries_per_cpu_second:,}",
        ratio("quart"),
        ratio("bare"),
        *(f"{ms:.2f}" for ms in (result.p50_ms, result.p95_ms, result.p99_ms, result.max_ms)),
    ]
