"""``aeon serve`` as a process of its own, so that it can be killed."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.helpers.clients import Server
from tests.helpers.telegram import BOT_TOKEN

START_SECONDS = 120.0


def first_line(process: subprocess.Popen[str], within_seconds: float = START_SECONDS) -> str:
    """What it says first; empty if it has ended. Without a word in time it hangs, and we would."""
    assert process.stdout is not None
    says, _, _ = select.select([process.stdout], [], [], within_seconds)
    assert says, f"it said nothing within {within_seconds:g} s"
    return process.stdout.readline()


@contextmanager
def serving(
    database_url: str, directory: Path, *, stderr: IO[str] | None = None, **settings: str
) -> Iterator[tuple[Server, subprocess.Popen[str]]]:
    """Run ``aeon serve`` as a process of its own and wait until it says where it listens."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(directory),
        "UPLOAD_DIR": str(directory / "uploads"),
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "SECRET_KEY": "s" * 48,
        "RATE_LIMITS": "off",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "aeon", "serve", "--host", "127.0.0.1", "--port", "0"],
        env=environment,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        line = first_line(process)
        assert "listens on" in line, line
        yield Server(line.split()[-1]), process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()
