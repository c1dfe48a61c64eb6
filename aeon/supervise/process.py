"""One worker process, as the supervisor sees it: started, ready, told to go, gone."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from aeon.supervise.orders import Orders

WORKER_MODULE: Final = "aeon.supervise.worker"


class WorkerProcess:
    """A process and what is known of it."""

    def __init__(
        self, orders: Orders, process: trio.Process, ready: trio.lowlevel.FdStream
    ) -> None:
        self.orders = orders
        self.started_at = trio.current_time()
        self.is_retired = False
        """It was told to go: its end is no failure."""
        self._process = process
        self._ready = ready
        self._has_been_ready = False

    @classmethod
    async def start(cls, module: str, make_orders: Callable[[int], Orders]) -> WorkerProcess:
        """Start one; ``make_orders`` gets the descriptor on which it is to say that it listens."""
        ours, theirs = os.pipe()
        stream = trio.lowlevel.FdStream(ours)
        try:
            orders = make_orders(theirs)
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", module, orders.to_argument()],
                pass_fds=orders.descriptors,
                # A terminal's Ctrl-C is for the supervisor; it then tells the workers.
                start_new_session=True,
            )
        except BaseException:
            stream.close()
            raise
        finally:
            os.close(theirs)
        return cls(orders, process, stream)

    @property
    def pid(self) -> int:
        """The process's."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; negative: the signal that ended it; None: it runs."""
        return self._process.returncode

    @property
    def serves(self) -> bool:
        """It listens, and nobody has told it to go."""
        return self._has_been_ready and not self.is_retired and self.status is None

    @property
    def how_it_ended(self) -> str:
        """In words, for the log."""
        status = self.status
        if status is not None and status < 0:
            with suppress(ValueError):
                return signal.Signals(-status).name
        return f"exit status {status}"

    async def wait_ready(self, within_seconds: float) -> bool:
        """Wait until it listens; False if it ended or took too long."""
        with trio.move_on_after(within_seconds):
            async with self._ready:
                self._has_been_ready = bool(await self._ready.receive_some(16))
        return self._has_been_ready

    async def wait(self) -> None:
        """Wait for its end, and take its exit status, so that no zombie is left."""
        await self._process.wait()

    async def retire(self, within_seconds: float) -> None:
        """Let it drain and go; kill it when it takes too long."""
        self.tell_to_stop()
        with trio.move_on_after(within_seconds):
            await self.wait()
        if self.status is None:
            self.kill()
            await self.wait()

    def tell_to_stop(self) -> None:
        """Ask it to drain; once, for the second time it would cut short what it drains."""
        if not self.is_retired:
            self.is_retired = True
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now."""
        self.is_retired = True
        self._process.send_signal(signal.SIGKILL)
