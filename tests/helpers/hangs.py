"""A test that waits for ever ends, says which task waited where, and is cleaned up after.

Real time, not the test's clock, which may be one that jumps. A signal, so that no test has one
more thread. What no cancellation ends (a blocking call, a shield) is left to pytest-timeout, which
ends the whole run.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

LIMIT_SECONDS = 300.0
"""Generous: it is for waits without an end, on the slowest machine."""
_FRAMES = 4


def run_bounded(
    function: Callable[..., Awaitable[Any]],
    *args: Any,
    limit_seconds: float = LIMIT_SECONDS,
    **how: Any,
) -> Any:
    """``trio.run``, bounded."""
    tasks: list[str] = []

    async def bounded() -> Any:
        with trio.CancelScope() as everything:

            def give_up() -> None:
                tasks.extend(_tasks())
                everything.cancel(reason="the test hangs")

            with _alarm(limit_seconds, trio.lowlevel.current_trio_token(), give_up):
                return await function(*args)

    try:
        return trio.run(bounded, **how)
    finally:
        if tasks:
            # Instead of whatever the cancellation led to.
            pytest.fail(f"It hung for {limit_seconds:g} s. Its tasks:\n" + "\n".join(tasks))


@contextmanager
def _alarm(
    seconds: float, token: trio.lowlevel.TrioToken, give_up: Callable[[], None]
) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda *_: token.run_sync_soon(give_up))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _tasks() -> Iterator[str]:
    """Tell of every task by its name, and where its innermost frames wait."""
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        waiting.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
        frames = traceback.StackSummary.extract(task.iter_await_frames())
        yield f"{task.name}\n" + "".join(traceback.format_list(frames[-_FRAMES:]))
