"""Open-loop pacing: things are done when the schedule says, not when the last one is answered.

Latencies count from the scheduled moment. A server that stalls can so not slow the load down
and hide the stall from the percentiles (coordinated omission).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from aeon.load.crew import now_ns

_BURST: Final = 64


async def pace(
    act: Callable[[int], None],
    *,
    first_ns: int,
    per_second: float,
    until_ns: int,
) -> None:
    """Call ``act(due_ns)`` at a steady rate.

    What fell behind is done at once, ``_BURST`` at a time between other tasks' turns.
    """
    interval = 1e9 / per_second
    count = 0
    while (due := first_ns + int(count * interval)) < until_ns:
        wait = due - now_ns()
        if wait > 0:
            await trio.sleep(wait / 1e9)
        elif count % _BURST == 0:
            await trio.lowlevel.checkpoint()
        act(due)
        count += 1


async def wait_until(moment_ns: int) -> None:
    """Sleep until a moment of the monotonic clock."""
    await trio.sleep(max(0.0, (moment_ns - now_ns()) / 1e9))
