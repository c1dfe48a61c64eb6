"""``--self-serve``: a throw-away server with its own database, for the length of a run."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from aeon.load.faults import LoadFault
from storage.embedded import throwaway_directory

START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 20.0
_ANNOUNCEMENT: Final = "Aeon listens on "
_LOG_LINES: Final = 15
# Nothing of the caller's settings may reach the throw-away server.
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_PROJECT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server of the run."""

    url: str
    bot_token: str
    pid: int


@asynccontextmanager
async def own_server(*, max_chat_members: int) -> AsyncIterator[OwnServer]:
    """Start a server, and stop it at the end of the block.

    Raises:
        LoadFault: it did not start; the text ends with the last lines of its log.
    """
    bot_token = f"{secrets.randbelow(10**9) + 1}:{secrets.token_hex(18)[:35]}"
    with throwaway_directory("aeon-load-") as directory:
        log_path = directory / "server.log"
        environment = _environment(directory, bot_token, max_chat_members)
        with log_path.open("wb") as log:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "aeon", "serve"],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=directory,
                env=environment,
                # Ctrl-C is for the run; the run then stops the server.
                start_new_session=True,
            )
        try:
            async with trio.open_nursery() as nursery:
                url = await _wait_until_it_listens(process, log_path)
                nursery.start_soon(_empty, process)
                yield OwnServer(url, bot_token, process.pid)
                nursery.cancel_scope.cancel()
        finally:
            await _stop(process)


def _environment(directory: Path, bot_token: str, max_chat_members: int) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "PYTHONPATH": str(_PROJECT),
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


async def _wait_until_it_listens(process: trio.Process, log_path: Path) -> str:
    assert process.stdout is not None
    received = b""
    with trio.move_on_after(START_SECONDS):
        while data := await process.stdout.receive_some():
            received += data
            for line in received.decode(errors="replace").splitlines(keepends=True):
                if line.startswith(_ANNOUNCEMENT) and line.endswith("\n"):
                    return line.removeprefix(_ANNOUNCEMENT).strip()
        await process.wait()
    how = (
        f"did not listen within {START_SECONDS:g} s"
        if process.returncode is None
        else f"ended with exit status {process.returncode}"
    )
    raise LoadFault(f"The server for this run {how}. Its log ends:\n{_end_of(log_path)}")


def _end_of(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join(lines) or "(empty)"


async def _empty(process: trio.Process) -> None:
    """Read what the server prints, so that it never waits for a reader."""
    assert process.stdout is not None
    while await process.stdout.receive_some():
        pass


async def _stop(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(STOP_SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()
