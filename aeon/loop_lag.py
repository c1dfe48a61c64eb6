"""How late the event loop is: a task sleeps for a moment and sees by how much it overslept.

The lag is what every other task waits as well before it gets its turn: something computes for
too long, or the machine gives the process no time. Trio wakes up on whole milliseconds, so a
quiet loop shows up to one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from storage.distribution import Distribution, DistributionSnapshot

SAMPLE_SECONDS: Final = 0.1
WINDOW_SAMPLES: Final = 600
"""A minute."""
BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class LoopLagStatistics:
    """The last minute, and the distribution since the start."""

    lag_p50_seconds: float
    lag_p99_seconds: float
    lag_max_seconds: float
    distribution: DistributionSnapshot


class LoopLag:
    """Samples the lag of the loop it runs in; costs a wake-up every ``SAMPLE_SECONDS``."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=WINDOW_SAMPLES)
        self._distribution = Distribution(BOUNDS_SECONDS)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            due = self._clock() + SAMPLE_SECONDS
            await trio.sleep(SAMPLE_SECONDS)
            lag = max(0.0, self._clock() - due)
            self._recent.append(lag)
            self._distribution.observe(lag)

    def statistics(self) -> LoopLagStatistics:
        """Sum up the last minute; zeros before the first sample. Atomic."""
        recent = sorted(self._recent) or [0.0]
        last = len(recent) - 1
        return LoopLagStatistics(
            lag_p50_seconds=recent[last // 2],
            lag_p99_seconds=recent[round(last * 0.99)],
            lag_max_seconds=recent[last],
            distribution=self._distribution.snapshot(),
        )
