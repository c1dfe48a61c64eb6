"""A server of the run's own: ``aeon serve`` in a process, started, announced, stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from aeon.load.faults import LoadFault

START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 20.0
_ANNOUNCEMENT: Final = "Aeon listens on "
_LOG_LINES: Final = 15
# Nothing of the caller's settings may reach a throw-away server.
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_PROJECT: Final = Path(__file__).parents[2]


class ServerProcess:
    """One server; it may be started again after its end, with the same settings."""

    def __init__(self, directory: Path, environment: Mapping[str, str], *, name: str) -> None:
        """Prepare a server.

        Args:
            directory: where it runs; its log is ``<name>.log`` there.
            environment: its settings, beside what every process needs of ours.
            name: for its log.
        """
        self._directory = directory
        self._environment = environment
        self._log_path = directory / f"{name}.log"
        self._process: trio.Process | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        """The process of its latest start."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start it; ``started`` when it listens; returns when it has ended, however it did.

        Cancellation stops it: in order first, within ``STOP_SECONDS``.

        Raises:
            LoadFault: it did not start; the text ends with the last lines of its log.
        """
        with self._log_path.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "aeon", "serve"],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._directory,
                env=self._whole_environment(),
                # Ctrl-C is for the run; the run then stops the server.
                start_new_session=True,
            )
        process = self._process
        try:
            self.url = await self._wait_until_it_listens(process)
            # Later starts take the same address, so that clients find it again.
            self._environment = {**self._environment, "PORT": self.url.rpartition(":")[2]}
            task_status.started()
            assert process.stdout is not None
            while await process.stdout.receive_some():
                pass  # what it prints is read, so that it never waits for a reader
            await process.wait()
        finally:
            await _stop(process)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def end_of_log(self) -> str:
        """Return the last lines of its log."""
        try:
            lines = self._log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            lines = []
        return "\n".join(lines) or "(empty)"

    def _whole_environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**inherited, "PYTHONPATH": str(_PROJECT), **self._environment}

    async def _wait_until_it_listens(self, process: trio.Process) -> str:
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
        raise LoadFault(f"A server for this run {how}. Its log ends:\n{self.end_of_log()}")


async def _stop(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            # It may be held by SIGSTOP, and hear nothing else.
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(STOP_SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()
