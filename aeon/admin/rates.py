"""Rates from counters, and quantiles from distributions: what is new since a moment ago."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import trio

from storage.distribution import DistributionSnapshot

SPAN_SECONDS = 1.0
WINDOW_SECONDS = 10.0


class RateMeter:
    """Remembers an earlier reading of some counters. Any number of readers share it."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._before: tuple[float, Mapping[str, int]] | None = None
        self._rates: dict[str, float] = {}

    def read(self, counts: Mapping[str, int], *, uptime_seconds: float) -> Mapping[str, float]:
        """Give the rates per second.

        They span the time since the last reading that is a second old or older; at first, all
        of ``uptime_seconds``.
        """
        now = self._clock()
        if self._before is None:
            self._rates = {name: n / max(uptime_seconds, 1.0) for name, n in counts.items()}
            self._before = now, counts
            return self._rates
        then, before = self._before
        if now - then >= SPAN_SECONDS:
            # A part that was restarted counts from zero again.
            self._rates = {
                name: max(0, n - before.get(name, 0)) / (now - then) for name, n in counts.items()
            }
            self._before = now, counts
        return self._rates


class RecentQuantiles:
    """Quantiles of what a distribution has gained in about `WINDOW_SECONDS`. Shared by readers.

    As exact as the distribution's bounds are close; linear between two of them.
    """

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._readings: deque[tuple[float, tuple[int, ...]]] = deque()

    def read(
        self, snapshot: DistributionSnapshot, quantiles: Sequence[float]
    ) -> list[float | None]:
        """Give the quantiles; None each if nothing is new. At first: since the start."""
        now, readings = self._clock(), self._readings
        if readings and sum(readings[-1][1]) > snapshot.number:
            readings.clear()  # the part was restarted, and counts from zero
        while len(readings) > 1 and now - readings[1][0] >= WINDOW_SECONDS:
            readings.popleft()
        before = readings[0][1] if readings else (0,) * len(snapshot.counts)
        gained = [new - old for new, old in zip(snapshot.counts, before, strict=True)]
        if not readings or now - readings[-1][0] >= SPAN_SECONDS:
            readings.append((now, snapshot.counts))
        return [_quantile(snapshot.bounds, gained, one) for one in quantiles]


def _quantile(bounds: Sequence[float], counts: Sequence[int], quantile: float) -> float | None:
    rest = quantile * sum(counts)
    if rest <= 0:
        return None
    for index, count in enumerate(counts[:-1]):
        if count and rest <= count:
            lower = bounds[index - 1] if index else 0.0
            return lower + (bounds[index] - lower) * rest / count
        rest -= count
    return bounds[-1]
