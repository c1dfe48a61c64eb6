"""Commands that are no servers, and are told to stop before their end: they clean up and say so.

A server drains instead: ``aeon.stopping``. Before and after, nothing has to be cleaned up:
``aeon.early_signals``.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import trio
from outcome import Error, Outcome, Value

from aeon.early_signals import stop_signals

Args = TypeVarTuple("Args")
T = TypeVar("T")


class Interrupted(Exception):
    """The command was told to stop, and has cleaned up."""


def run_until_interrupted(function: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Run a command's work in Trio; the first signal cancels it, a second one kills.

    ``KeyboardInterrupt`` would be raised wherever the signal finds the program, also in the middle
    of cleaning up.

    Raises:
        Interrupted: a signal came. What failed because of that is not told.
    """
    was_interrupted = False

    async def cancel_at_signal(
        work: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        nonlocal was_interrupted
        with trio.open_signal_receiver(*stop_signals()) as received:
            task_status.started()
            async for number in received:
                # A terminal that is closed sends SIGHUP twice: by its shell, and by itself.
                if was_interrupted and number != signal.SIGHUP:
                    signal.signal(number, signal.SIG_DFL)
                    signal.raise_signal(number)
                was_interrupted = True
                work.cancel(reason="stop signal")

    async def run() -> Outcome[T]:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as work:
                await nursery.start(cancel_at_signal, work)
                try:
                    found: Outcome[T] = Value(await function(*args))
                except Exception as error:  # noqa: BLE001 # told without the nursery's group
                    found = Error(error)
            nursery.cancel_scope.cancel(reason="the work is over")
        # Asked only now: a signal at the very end of the work would be taken and forgotten.
        if was_interrupted:
            raise Interrupted
        return found

    try:
        return trio.run(run, strict_exception_groups=True).unwrap()
    except Exception:
        if was_interrupted:
            raise Interrupted from None
        raise
