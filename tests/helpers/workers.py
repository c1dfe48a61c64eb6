"""``aeon serve --workers`` as a process of its own, over real databases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from tests.helpers.clients import Server
from tests.helpers.node_process import first_line
from tests.helpers.telegram import BOT_TOKEN

START_SECONDS = 60.0


def serving_environment(database_url: str, directory: Path, **more: str) -> dict[str, str]:
    """The environment of a server that tests may start."""
    return {
        **os.environ,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "DATABASE_URL": database_url,
        "DATA_DIR": str(directory),
        "UPLOAD_DIR": str(directory / "uploads"),
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "SECRET_KEY": "s" * 48,
        "RATE_LIMITS": "off",
        "LOG_FORMAT": "json",
        **more,
    }


@dataclass
class Workers:
    """A running supervisor with its workers."""

    server: Server
    process: subprocess.Popen[str]
    log_path: Path

    def log(self) -> list[dict[str, Any]]:
        """Every line of the log, of the supervisor and of the workers."""
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.log() if one["event"] == name]

    def pids(self) -> dict[int, int]:
        """The latest process of each worker, by number."""
        return {one["worker"]: one["pid"] for one in self.events("worker_ready")}

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def event(self, name: str, count: int = 1) -> None:
        """Wait until the log has that many of these."""
        with trio.fail_after(START_SECONDS):
            while len(self.events(name)) < count:  # noqa: ASYNC110 - another process writes it
                await trio.sleep(0.02)

    async def ended(self, within_seconds: float) -> int:
        """Wait for the supervisor's end, and give its exit status."""
        with trio.fail_after(within_seconds):
            while (status := self.process.poll()) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        return status


def is_alive(pid: int) -> bool:
    """Whether there is such a process, a zombie included."""
    return Path(f"/proc/{pid}").exists()


@contextmanager
def serving_with_workers(
    environment: dict[str, str], directory: Path, *arguments: str
) -> Iterator[Workers]:
    """Start, wait until every worker listens, and leave nothing behind."""
    log_path = directory / "log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aeon", "serve", *arguments],
            env=environment,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = first_line(process)
        assert "listens on" in line, f"{line}\n{log_path.read_text()}"
        yield Workers(Server(line.split()[-1]), process, log_path)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=60)
        process.stdout.close()
