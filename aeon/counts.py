"""What the edge counts while it works: plain numbers, read when somebody asks.

Every key is of a small fixed set (routes, statuses, command types, stable codes), so the tables
stay small whatever clients send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from storage.distribution import Distribution

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OK: Final = "ok"
REMEMBERED: Final = "remembered"
"""A log-in that was looked up seconds ago."""


class Counts:
    """One per node. Everything is atomic and costs about a microsecond."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """Answers by method, route and status."""
        self.request_seconds: dict[str, Distribution] = {}
        """By route."""
        self.commands: Counter[tuple[str, str]] = Counter()
        """WebSocket commands by type and outcome: ``ok``, or the code of what was wrong."""
        self.command_seconds: dict[str, Distribution] = {}
        """By type."""
        self.sockets: Counter[str] = Counter()
        """Greeted WebSockets that are open, by the path of their transport."""
        self.sockets_opened: Counter[str] = Counter()
        self.sockets_closed: Counter[tuple[str, str]] = Counter()
        """By close code and reason; also those that were refused before a greeting."""
        self.resumes: Counter[str] = Counter(replayed=0, resync=0, left=0)
        """Chats of resumes by what became of them: ``replayed``, ``resync``, ``left``."""
        self.replayed_events = 0
        self.logins: Counter[tuple[str, str]] = Counter()
        """By method and outcome: ``ok``, ``remembered``, or the code of what was wrong."""

    def expect_closings(self, closings: Iterable[tuple[str, str]]) -> None:
        """Show ends that have not happened yet as zero: the first one is then a rise."""
        for closing in closings:
            self.sockets_closed.setdefault(closing, 0)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests[method, route, status] += 1
        found = self.request_seconds.get(route)
        if found is None:
            found = self.request_seconds[route] = Distribution(SECONDS)
        found.observe(seconds)

    def command(self, command_type: str, outcome: str, seconds: float) -> None:
        """Count a command that was carried out or refused."""
        self.commands[command_type, outcome] += 1
        found = self.command_seconds.get(command_type)
        if found is None:
            found = self.command_seconds[command_type] = Distribution(SECONDS)
        found.observe(seconds)

    def socket_opened(self, path: str) -> None:
        """Count a WebSocket whose person is known."""
        self.sockets[path] += 1
        self.sockets_opened[path] += 1

    def socket_closed(self, path: str, code: str, reason: str) -> None:
        """Count how one of them ended."""
        self.sockets[path] -= 1
        self.sockets_closed[code, reason] += 1

    def socket_refused(self, code: str, reason: str) -> None:
        """Count one that ended before its person was known."""
        self.sockets_closed[code, reason] += 1

    def resumed(self, *, replayed: int, events: int, resync: int, left: int) -> None:
        """Count the chats of one resume, and the events that were replayed."""
        self.resumes["replayed"] += replayed
        self.resumes["resync"] += resync
        self.resumes["left"] += left
        self.replayed_events += events

    def login(self, method: str, outcome: str) -> None:
        """Count an attempt to be somebody."""
        self.logins[method, outcome] += 1
