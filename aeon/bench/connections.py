"""Connections: server memory per quiet WebSocket, and what a handshake costs.

The clients are a process of their own. On the ``transport`` the application is the smallest there
is: it accepts and waits for a message, so what is measured is the server and Quart. On the
``node`` (``aeon.bench.connections_node``) it is all of Aeon.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import trio
import typer
from quart import websocket
from quart_trio import QuartTrio
from rich.console import Console

from aeon.bench.child import child, first_line
from aeon.bench.fanout import CLIENT
from aeon.interruption import run_until_interrupted
from aeon.load.faults import LoadFault
from aeon.server import Config, Listening, serve

MAX_BYTES_PER_CONNECTION: Final = 60_000


class Part(StrEnum):
    """What connections are opened to."""

    TRANSPORT = "transport"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class ConnectionsResult:
    """What connections cost the server."""

    on: Part
    connections: int
    bytes_per_connection: int
    """Growth of the resident set, the kernel's socket buffers not included."""
    handshakes_per_second: int
    """By the wall clock, all clients at once."""
    us_per_handshake: float
    """Server CPU time, TCP and HTTP included."""
    us_per_hang_up: float


async def measure(connections: int) -> ConnectionsResult:
    """Open that many WebSockets at once, weigh them, and let them go."""
    async with _server() as listening:
        # The first ones pay for imports, caches and arenas.
        async with _clients(listening, max(50, connections // 10)):
            pass
        before = _resident_bytes()
        cpu, wall = time.process_time(), time.perf_counter()
        async with _clients(listening, connections):
            opened_cpu, opened_wall = time.process_time() - cpu, time.perf_counter() - wall
            gc.collect()
            grown = _resident_bytes() - before
            cpu = time.process_time()
        closed_cpu = time.process_time() - cpu
    return ConnectionsResult(
        on=Part.TRANSPORT,
        connections=connections,
        bytes_per_connection=grown // connections,
        handshakes_per_second=int(connections / opened_wall),
        us_per_handshake=round(opened_cpu / connections * 1e6, 1),
        us_per_hang_up=round(closed_cpu / connections * 1e6, 1),
    )


@asynccontextmanager
async def _server() -> AsyncIterator[Listening]:
    app = QuartTrio(__name__)

    @app.websocket("/ws")
    async def wait() -> None:
        await websocket.accept()
        await websocket.receive()

    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.backlog = 4096
    config.errorlog = None
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[Listening]) -> None:
            await serve(app, config, shutdown=stop, task_status=task_status)

        yield await nursery.start(run)
        stop.set()


@asynccontextmanager
async def _clients(listening: Listening, count: int) -> AsyncIterator[None]:
    """Hold WebSockets open for the time of the block; at its end they have gone."""
    port = listening.url.rpartition(":")[2]
    async with child([*CLIENT, port, str(count)]) as client:
        if await first_line(client) != "ready":
            raise LoadFault(f"{count} could not connect at once; see ulimit -n")
        yield
    with trio.fail_after(30):
        while listening.statistics().connections:  # noqa: ASYNC110 - others' hanging up
            await trio.sleep(0.01)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def command(
    connections: Annotated[int, typer.Option(help="How many at once.", min=1)] = 2000,
    on: Annotated[Part, typer.Option(help="What serves them.")] = Part.TRANSPORT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Measure what quiet WebSockets cost: memory, handshakes, hanging up."""
    # Imported here, because it needs the result's type from this module.
    from aeon.bench.connections_node import measure_node

    result = run_until_interrupted(measure_node if on is Part.NODE else measure, connections)
    is_missed = result.bytes_per_connection > MAX_BYTES_PER_CONNECTION
    if as_json:
        sys.stdout.write(json.dumps(asdict(result) | {"missed": is_missed}, indent=2) + "\n")
    else:
        console = Console()
        console.print(f"{result.connections} quiet WebSockets on the {result.on}")
        console.print(f"  memory      {result.bytes_per_connection / 1000:.1f} kB each")
        console.print(f"  handshakes  {result.handshakes_per_second} a second")
        console.print(f"              {result.us_per_handshake} us of CPU each")
        console.print(f"  hanging up  {result.us_per_hang_up} us of CPU each")
        if is_missed:
            console.print(f"missed: more than {MAX_BYTES_PER_CONNECTION} bytes each", style="red")
    if is_missed:
        raise typer.Exit(1)
