"""The id of the request under way: from the edge to the actor, the commit and every log line.

A REST request has the id of its ``X-Request-ID``, or one of ours; a WebSocket command that of its
session and its number there. Actors get it with the message (``trace_id``).
"""

from __future__ import annotations

from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("aeon_request_id", default=None)


def begin(request_id: str) -> None:
    """Say what this task, and those it starts, work on from here on."""
    _current.set(request_id)


def current() -> str | None:
    """Give the id of what this task works on."""
    return _current.get()
