"""``--self-serve``: a throw-away server with its own database, for the length of a run."""

from __future__ import annotations

import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from aeon.load.cluster.redis_process import RedisProcess, find_redis
from aeon.load.server_process import ServerProcess
from storage.embedded import throwaway_directory


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server of the run."""

    url: str
    bot_token: str
    pid: int


def make_bot_token() -> str:
    """Make up a token of the form that Telegram gives out."""
    return f"{secrets.randbelow(10**9) + 1}:{secrets.token_hex(18)[:35]}"


def settings_for_load(directory: Path, bot_token: str, *, max_chat_members: int) -> dict[str, str]:
    """Give the settings of a server that is there to be put under load."""
    return {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "DATA_DIR": str(directory / "data"),
        "UPLOAD_DIR": str(directory / "uploads"),
        "TELEGRAM_BOT_TOKEN": bot_token,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "RATE_LIMITS": "off",
        "MAX_CHAT_MEMBERS": str(max_chat_members),
        "LOG_LEVEL": "WARNING",
    }


@asynccontextmanager
async def own_server(
    *, max_chat_members: int, workers: int = 1, restart_every_seconds: float = 0.0
) -> AsyncIterator[OwnServer]:
    """Start a server, and stop it at the end of the block.

    Args:
        max_chat_members: what its setting says.
        workers: processes; several come with a Redis of their own.
        restart_every_seconds: how often it is told to replace them, one by one; 0: never.

    Raises:
        LoadFault: it did not start; the text ends with the last lines of its log.
        UsageFault: there is no Redis to start for several workers.
    """
    bot_token = make_bot_token()
    with throwaway_directory("aeon-load-") as directory:
        settings = settings_for_load(directory, bot_token, max_chat_members=max_chat_members)
        if workers > 1 or restart_every_seconds:
            settings["WORKERS"] = str(workers)
        async with _redis_for(workers, directory, settings), trio.open_nursery() as nursery:
            server = ServerProcess(directory, settings, name="server")
            await nursery.start(server.run)
            if restart_every_seconds:
                nursery.start_soon(_replace_workers, server, restart_every_seconds)
            yield OwnServer(server.url, bot_token, server.pid)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _redis_for(
    workers: int, directory: Path, settings: dict[str, str]
) -> AsyncIterator[None]:
    if workers == 1:
        yield
        return
    redis = RedisProcess(find_redis(""), directory)
    try:
        await redis.start()
        settings["REDIS_URL"] = f"redis://127.0.0.1:{redis.port}/0"
        yield
    finally:
        await redis.kill()


async def _replace_workers(server: ServerProcess, every_seconds: float) -> None:
    while True:
        await trio.sleep(every_seconds)
        server.send(signal.SIGHUP)
