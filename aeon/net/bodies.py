"""Request bodies that are on their way, several at a time: each has to go on, and fast enough.

The rule is HTTP/1.1's (``NetLimits.body_stall_seconds``, ``body_min_bytes_per_second``), for each
stream of HTTP/2 by itself. While the server takes nothing, nobody is slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import trio

from aeon.net.limits import NetLimits


@dataclass(slots=True)
class _Arrival:
    """One body."""

    since: float
    latest: float
    size: int = 0


class Bodies:
    """The bodies that one connection's client still owes, by stream."""

    def __init__(self, limits: NetLimits) -> None:
        self._limits = limits
        self._arrivals: dict[int, _Arrival] = {}

    def expect(self, stream_id: int) -> None:
        """Note that a body is to come."""
        now = trio.current_time()
        self._arrivals[stream_id] = _Arrival(now, now)

    def arrived(self, stream_id: int, size: int) -> None:
        """Note that some of it came."""
        arrival = self._arrivals.get(stream_id)
        if arrival is not None and size:
            arrival.latest = trio.current_time()
            arrival.size += size

    def forget(self, stream_id: int) -> None:
        """Note that no more of it is to come, or that nobody wants it."""
        self._arrivals.pop(stream_id, None)

    def excuse(self, seconds: float) -> None:
        """Count no time in which the server took nothing."""
        for arrival in self._arrivals.values():
            arrival.since += seconds
            arrival.latest += seconds

    def due(self) -> float:
        """Say when the first of them is too slow, unless more of it comes; with none, never."""
        return min(map(self._due, self._arrivals.values()), default=inf)

    def overdue(self) -> list[int]:
        """Name the streams whose bodies are too slow."""
        now = trio.current_time()
        return [stream for stream, one in self._arrivals.items() if self._due(one) <= now]

    def _due(self, arrival: _Arrival) -> float:
        by_rate = arrival.since + arrival.size / self._limits.body_min_bytes_per_second
        return min(by_rate, arrival.latest) + self._limits.body_stall_seconds

    def __bool__(self) -> bool:
        return bool(self._arrivals)
