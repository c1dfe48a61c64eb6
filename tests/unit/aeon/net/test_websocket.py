from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aeon.net.hypercorn import Config, StreamOptions
from aeon.net.limits import NetLimits
from aeon.net.output import Output
from aeon.net.websocket import WebSocket


class EndedTasks:
    """The tasks of a connection that has just ended."""

    def spawn(self, _action: Callable[..., Awaitable[object]], *_args: object) -> None:
        raise RuntimeError("Nursery is closed to new arrivals")


@dataclass
class Carrier:
    """A connection that others share, as those of HTTP/2 are."""

    limits: NetLimits = field(default_factory=NetLimits)

    def own_output(self) -> Output | None:
        return None

    def hang_up_by(self, seconds: float) -> None:
        raise AssertionError("the connection is not this WebSocket's alone")

    def websocket_opened(self, websocket: WebSocket) -> None:
        pass

    def websocket_closed(self, websocket: WebSocket) -> None:
        pass


def websocket_of_an_ended_connection() -> WebSocket:
    nothing: Any = None
    tasks: Any = EndedTasks()
    return WebSocket(
        StreamOptions(nothing, Config(), nothing, tasks, False, None, None, nothing, 1), Carrier()
    )


def test_writing_when_the_connection_has_just_ended_does_nothing() -> None:
    """Who writes is the heartbeat or a chat's actor, and must not fail of it."""
    writes: list[Callable[[WebSocket], object]] = [
        lambda websocket: websocket.ping(b"ping"),
        lambda websocket: websocket.transport.send_nowait((b"event",)),
        lambda websocket: websocket.transport.close_nowait(1012),
        lambda websocket: websocket.transport.abort(),
    ]
    for write in writes:
        websocket = websocket_of_an_ended_connection()
        write(websocket)
        assert websocket.transport.pending_bytes == 0
