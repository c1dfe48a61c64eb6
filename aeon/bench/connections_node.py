"""Quiet connections on a whole node: session, user actor, presence and log-in included.

The node is ``aeon serve`` in a process of its own over a database of its own; its memory and CPU
time are the kernel's figures of that process. Everybody is somebody else and has one connection.
"""

from __future__ import annotations

import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import sysconf
from pathlib import Path
from sys import executable
from typing import Final
from urllib.parse import quote

import trio

from aeon.bench.child import child, first_line
from aeon.bench.connections import ConnectionsResult, Part
from aeon.load.faults import LoadFault
from aeon.load.own_server import OwnServer, own_server
from aeon.telegram.init_data import sign

FIRST_USER_ID: Final = 900_000_000
REST_SECONDS: Final = 3.0
"""After the last greeting: presence goes round, garbage is collected."""
_TICKS_PER_SECOND: Final = sysconf("SC_CLK_TCK")


async def measure_node(connections: int) -> ConnectionsResult:
    """Connect that many people to a node, weigh them, and let them go."""
    async with own_server(max_chat_members=1_000) as server:
        # The first ones pay for imports, caches and arenas; the second time they are known.
        everybody = [FIRST_USER_ID + number for number in range(connections)]
        async with _people(server, [FIRST_USER_ID - 1 - number for number in range(200)]):
            await trio.sleep(REST_SECONDS)
        await trio.sleep(REST_SECONDS)
        before = _resident_bytes(server.pid)
        cpu, wall = _cpu_seconds(server.pid), time.perf_counter()
        async with _people(server, everybody):
            opened_cpu = _cpu_seconds(server.pid) - cpu
            opened_wall = time.perf_counter() - wall
            await trio.sleep(REST_SECONDS)
            grown = _resident_bytes(server.pid) - before
            cpu = _cpu_seconds(server.pid)
        await trio.sleep(REST_SECONDS)
        closed_cpu = _cpu_seconds(server.pid) - cpu
    return ConnectionsResult(
        on=Part.NODE,
        connections=connections,
        bytes_per_connection=grown // connections,
        handshakes_per_second=int(connections / opened_wall),
        us_per_handshake=round(opened_cpu / connections * 1e6, 1),
        us_per_hang_up=round(closed_cpu / connections * 1e6, 1),
    )


@asynccontextmanager
async def _people(server: OwnServer, user_ids: list[int]) -> AsyncIterator[None]:
    paths = [f"/ws?init_data={quote(_init_data(server, user_id), safe='')}" for user_id in user_ids]
    port = server.url.rpartition(":")[2]
    command = [executable, "-m", "aeon.bench.quiet_clients", port]
    async with child(command) as clients:
        assert clients.stdin is not None
        await clients.stdin.send_all("\n".join([*paths, "", ""]).encode())
        if await first_line(clients) != "ready":
            raise LoadFault(f"not all {len(paths)} were greeted; see ulimit -n")
        yield


def _init_data(server: OwnServer, user_id: int) -> str:
    user: dict[str, object] = {"id": user_id, "first_name": f"Quiet {user_id}"}
    return sign(server.bot_token, user=user, auth_date=int(time.time()))


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
