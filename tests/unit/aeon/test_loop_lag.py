"""The event loop's lag: what a task oversleeps, over the last minute and since the start."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from aeon.loop_lag import SAMPLE_SECONDS, WINDOW_SAMPLES, LoopLag


class Clock:
    """Trio's clock, and how much later it is by the time somebody looks."""

    def __init__(self) -> None:
        self.late_seconds = 0.0

    def __call__(self) -> float:
        return trio.current_time() + self.late_seconds

    async def block(self, seconds: float) -> None:
        self.late_seconds += seconds
        await trio.sleep(SAMPLE_SECONDS)


async def test_a_block_shows_until_the_minute_is_over(autojump_clock: MockClock) -> None:
    """Faults: the sleep itself counts as lag; an old block stays for ever; p99 is the maximum."""
    clock = Clock()
    lag = LoopLag(clock=clock)
    assert lag.statistics().lag_max_seconds == 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lag.run)
        await trio.sleep(SAMPLE_SECONDS * 200.5)
        await clock.block(3.0)
        await trio.sleep(SAMPLE_SECONDS * 2)
        blocked = lag.statistics()
        await trio.sleep(SAMPLE_SECONDS * WINDOW_SAMPLES)
        later = lag.statistics()
        nursery.cancel_scope.cancel()

    assert blocked.lag_max_seconds == pytest.approx(3.0)
    assert blocked.lag_p50_seconds == blocked.lag_p99_seconds == pytest.approx(0.0, abs=1e-6)
    assert later.lag_max_seconds == pytest.approx(0.0, abs=1e-6)
    assert later.distribution.counts[later.distribution.bounds.index(5)] == 1
