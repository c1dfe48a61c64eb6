"""Rates from counters: how much more there is than a second or more ago."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

SPAN_SECONDS = 1.0


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
