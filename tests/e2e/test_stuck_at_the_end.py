"""SIGTERM to a real server while an actor is stuck in its handler: it ends in time, and says so."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import trio

from aeon.stopping import ACTORS_CUT_OFF, CUT_SHORT
from tests.helpers.clients import Server, Socket
from tests.helpers.node_process import serving

ANNA = 1001
BUDGET_SECONDS = 10
MARGIN_SECONDS = 5
"""For a busy machine; what was cut off at the wrong moment took as long again."""


@pytest.mark.parametrize(("signals", "status"), [(1, ACTORS_CUT_OFF), (2, CUT_SHORT)])
async def test_a_stuck_actor_keeps_no_server_beyond_its_budget(
    signals: int, status: int, database_url: str, tmp_path: Path
) -> None:
    with serving(database_url, tmp_path, SHUTDOWN_SECONDS=str(BUDGET_SECONDS)) as (server, process):
        async with _stuck(server, database_url) as socket:
            with trio.fail_after(BUDGET_SECONDS + MARGIN_SECONDS):
                process.send_signal(signal.SIGTERM)
                assert (await socket.wait_closed()).code == 1012
                if signals == 2:
                    process.send_signal(signal.SIGTERM)
                assert await _ended(process) == status


@asynccontextmanager
async def _stuck(server: Server, database_url: str) -> AsyncIterator[Socket]:
    """A chat whose actor waits for a lock that somebody else holds on the chat's row."""
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
    with psycopg.connect(database_url) as connection:
        connection.execute("select from chats where id = %s for update", [chat_id])
        async with server.connected(ANNA) as socket:
            await socket.send("send_message", chat_id=chat_id, text="never", client_msg_id="1")
            await _somebody_waits(connection)
            yield socket


async def _somebody_waits(connection: psycopg.Connection) -> None:
    waiting = "select from pg_locks where not granted"
    with trio.fail_after(30):
        while connection.execute(waiting).rowcount == 0:  # noqa: ASYNC110 - another process
            await trio.sleep(0.02)


async def _ended(process: subprocess.Popen[str]) -> int:
    while (status := process.poll()) is None:  # noqa: ASYNC110 - another process
        await trio.sleep(0.01)
    return status
