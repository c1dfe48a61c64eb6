"""How a process is told to stop: signals, and a bound on the time that stopping may take."""

from __future__ import annotations

import math
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
import trio

from aeon.early_signals import STOP_SIGNALS

CUT_SHORT: Final = 1
"""Exit status: the node did not stop in time, or was told twice."""
ACTORS_CUT_OFF: Final = 4
"""Exit status: the node stopped in order, but for actors that had to be cut off."""
_log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Ending:
    """How the stopping went."""

    was_cut_short: bool = False
    """Something was still under way when time was up, or a second signal came."""
    actors_cut_off: int = 0
    """Actors that had not finished what they had accepted when their time was up; those who
    waited for them were told that the outcome is unknown."""
    deadline: float = math.inf
    """When what is left is cut off, on Trio's clock; infinite until told to stop."""

    @property
    def exit_status(self) -> int:
        """What a supervisor of processes is told."""
        if self.was_cut_short:
            return CUT_SHORT
        return ACTORS_CUT_OFF if self.actors_cut_off else 0

    def seconds_left(self) -> float:
        """Say how long what still runs may take."""
        return max(0.0, self.deadline - trio.current_time())


@asynccontextmanager
async def stopping(
    stop: trio.Event, *, within_seconds: float, signals: Sequence[signal.Signals] = STOP_SIGNALS
) -> AsyncIterator[Ending]:
    """Set ``stop`` at the first signal.

    The block is cancelled at the second signal, unless that is SIGHUP, or when ``within_seconds``
    have passed since ``stop`` was set by whomever; 0: at once, which is no fault.
    """
    ending = Ending()
    async with trio.open_nursery() as nursery:

        def cut_short(reason: str) -> None:
            ending.was_cut_short = True
            ending.deadline = trio.current_time()
            if within_seconds > 0:
                _log.warning("stopping_cut_short", reason=reason)
            nursery.cancel_scope.cancel(reason=reason)

        async def watch_the_clock() -> None:
            await stop.wait()
            ending.deadline = trio.current_time() + within_seconds
            await trio.sleep_until(ending.deadline)
            cut_short("SHUTDOWN_SECONDS are over")

        with trio.open_signal_receiver(*signals) as received:

            async def watch_signals() -> None:
                async for number in received:
                    if stop.is_set() and number == signal.SIGHUP:
                        # A terminal that is closed sends it twice; systemd after SIGTERM, if asked.
                        continue
                    if stop.is_set():
                        cut_short("second stop signal")
                        return
                    _log.info("stopping", signal=signal.Signals(number).name)
                    stop.set()

            nursery.start_soon(watch_signals)
            nursery.start_soon(watch_the_clock)
            yield ending
            nursery.cancel_scope.cancel(reason="stopped")


async def start_until(
    stop: trio.Event, nursery: trio.Nursery, run: Callable[..., Awaitable[object]]
) -> Any:
    """Start ``run`` in the nursery, and give what it started with; None: ``stop`` came first.

    Then the start was cancelled: who has accepted nothing has nothing to drain.
    """
    started = None
    async with trio.open_nursery() as starting:

        async def give_up() -> None:
            await stop.wait()
            starting.cancel_scope.cancel(reason="told to stop while starting")

        starting.start_soon(give_up)
        started = await nursery.start(run)
        starting.cancel_scope.cancel(reason="started")
    return started
