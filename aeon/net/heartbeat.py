"""Heartbeat: one task pings all WebSockets of a server and drops those that do not answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import trio

from aeon.net.limits import NetLimits
from aeon.net.websocket import WebSocket

MOMENT_SECONDS: Final = 0.001
LATE_SECONDS: Final = 1.0
"""Who looks later than this has not been running, and has not read what came in meanwhile."""


@dataclass(slots=True)
class _Due:
    at: float
    written_before: int = 0
    is_last_chance: bool = False


class Heartbeat:
    """Pings in turn; both tables are ordered by time because all intervals are the same."""

    def __init__(self, limits: NetLimits) -> None:
        self._interval = limits.heartbeat_seconds
        self._timeout = limits.heartbeat_timeout_seconds
        self._to_ping: dict[WebSocket, float] = {}
        self._to_answer: dict[WebSocket, _Due] = {}
        self.dropped = 0

    def add(self, websocket: WebSocket) -> None:
        """Ping it from now on, first after one interval. Atomic."""
        self._to_ping[websocket] = trio.current_time() + self._interval

    def remove(self, websocket: WebSocket) -> None:
        """Forget it; unknown ones are ignored. Atomic."""
        self._to_ping.pop(websocket, None)
        self._to_answer.pop(websocket, None)

    async def run(self) -> None:
        """Ping for ever."""
        while True:
            # What is due within a moment is due: a clock may wake us a rounding error early.
            now = trio.current_time() + MOMENT_SECONDS
            self._judge(now)
            self._ping(now)
            await trio.sleep_until(self._next_due(now))

    def _next_due(self, now: float) -> float:
        # An empty table can fill meanwhile, but nothing new is due before one interval is over.
        first_ping = next(iter(self._to_ping.values()), now + self._interval)
        first_answer = next(iter(self._to_answer.values()), None)
        if first_answer is None:
            return first_ping
        return min(first_ping, first_answer.at)

    def _ping(self, now: float) -> None:
        while self._to_ping:
            websocket, at = next(iter(self._to_ping.items()))
            if at > now:
                return
            del self._to_ping[websocket]
            websocket.ping(secrets.token_bytes(8))
            self._to_answer[websocket] = _Due(now + self._timeout, websocket.output.bytes_written)

    def _judge(self, now: float) -> None:
        while self._to_answer:
            websocket, due = next(iter(self._to_answer.items()))
            if due.at > now:
                return
            del self._to_answer[websocket]
            we_are_late = now - due.at > LATE_SECONDS and not due.is_last_chance
            if websocket.awaited_pong is None:
                self._to_ping[websocket] = now - self._timeout + self._interval
            elif we_are_late or self._may_be_late(websocket, due):
                self._to_answer[websocket] = _Due(
                    now + self._timeout, websocket.output.bytes_written, we_are_late
                )
            else:
                self.dropped += 1
                websocket.transport.abort()

    @staticmethod
    def _may_be_late(websocket: WebSocket, due: _Due) -> bool:
        """Not the peer's fault: we do not read, or it is still reading up to our ping."""
        if not websocket.is_reading:
            return True
        output = websocket.output
        return output.pending_bytes > 0 and output.bytes_written > due.written_before
