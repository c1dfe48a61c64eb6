"""A server on a real port in this process, and a small application to serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import trio
import trio.testing
from quart import Response, request, websocket
from quart_trio import QuartTrio

from aeon.server import Config, Listening, NetLimits, Transport, current_transport, serve

IMPATIENT = NetLimits(
    request_head_seconds=0.4,
    body_stall_seconds=0.4,
    tls_handshake_seconds=0.4,
    send_stall_seconds=0.6,
    heartbeat_seconds=0.3,
    heartbeat_timeout_seconds=0.3,
    close_seconds=0.4,
    linger_seconds=0.15,
    farewell_seconds=0.1,
    app_stall_seconds=0.4,
    app_grace_seconds=0.4,
)
"""Every deadline short, so that tests can wait for it."""
PATIENT = replace(
    IMPATIENT,
    request_head_seconds=60,
    body_stall_seconds=60,
    tls_handshake_seconds=60,
    send_stall_seconds=60,
    heartbeat_seconds=60,
    app_stall_seconds=60,
)
"""For tests of something else: a peer is never given up because this machine is slow."""
PATIENCE_SECONDS = 20.0
"""For what a server does within a second, on a machine that has other things to do."""


@dataclass
class Running:
    """A server under test."""

    listening: Listening
    stop: trio.Event
    stopped: trio.Event
    tasks_at_rest: int
    transports: list[Transport] = field(default_factory=list)
    requests_begun: int = 0
    """Requests and handshakes that reached the application."""
    _another_began: trio.Event = field(default_factory=trio.Event)

    @property
    def port(self) -> int:
        return int(self.listening.url.rpartition(":")[2])

    def request_began(self) -> None:
        self.requests_begun += 1
        began, self._another_began = self._another_began, trio.Event()
        began.set()

    async def wait_begun(self, count: int = 1) -> None:
        """Wait until so many requests and handshakes have reached the application."""
        with trio.fail_after(PATIENCE_SECONDS):
            while self.requests_begun < count:
                await self._another_began.wait()

    async def at_rest(self, within_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until nothing of any client is left: no connection, no WebSocket, no task."""
        with trio.move_on_after(within_seconds):
            while not self._is_at_rest():  # noqa: ASYNC110 - Trio has no event for a task's end
                await trio.sleep(0.01)
        statistics = self.listening.statistics()
        assert (statistics.connections, statistics.websockets, statistics.addresses) == (0, 0, 0)
        assert trio.lowlevel.current_statistics().tasks_living <= self.tasks_at_rest

    def _is_at_rest(self) -> bool:
        living = trio.lowlevel.current_statistics().tasks_living
        return not self.listening.statistics().connections and living <= self.tasks_at_rest


def make_app(running: list[Running] | None = None) -> QuartTrio:
    """An application with a route of each kind; it keeps nothing."""
    app = QuartTrio(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024

    @app.before_request
    @app.before_websocket
    async def count() -> None:
        if running:
            running[0].request_began()

    _add_pages(app)
    _add_websockets(app, running)
    return app


def _add_pages(app: QuartTrio) -> None:
    @app.get("/")
    async def index() -> str:
        return "served"

    @app.get("/slow/<float:seconds>")
    async def slow(seconds: float) -> str:
        await trio.sleep(seconds)
        return "slept"

    @app.get("/big/<int:size>")
    async def big(size: int) -> Response:
        return Response(b"x" * size)

    @app.post("/echo")
    async def echo() -> Response:
        return Response(await request.get_data())

    @app.post("/unread")
    async def unread() -> str:
        return "not read"


def _add_websockets(app: QuartTrio, running: list[Running] | None) -> None:
    @app.websocket("/ws")
    async def talk() -> None:
        """Echo, by the application's own way of sending."""
        await websocket.accept()
        if running:
            running[0].transports.append(current_transport())
        while True:
            data = await websocket.receive()
            await websocket.send(data if isinstance(data, str) else f"{len(data)} bytes")

    @app.websocket("/deaf")
    async def deaf() -> None:
        """Accept and never read."""
        await websocket.accept()
        if running:
            running[0].transports.append(current_transport())
        await trio.sleep_forever()

    @app.websocket("/flood/<int:count>")
    async def flood(count: int) -> None:
        """Send a lot, then wait for a word."""
        await websocket.accept()
        transport = current_transport()
        for _ in range(count):
            transport.send_nowait((b"y" * 1000,))
        await websocket.receive()


@asynccontextmanager
async def serving(
    app: Any = None,
    *,
    limits: NetLimits = IMPATIENT,
    keep_alive_seconds: float = 0.4,
    graceful_seconds: float = 1.0,
    **config_values: Any,
) -> AsyncIterator[Running]:
    """Run a server on a free port of this host for the time of the block."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.backlog = 1000
    config.keep_alive_timeout = keep_alive_seconds
    config.graceful_timeout = graceful_seconds
    config.errorlog = None
    for name, value in config_values.items():
        setattr(config, name, value)
    known: list[Running] = []
    app = app if app is not None else make_app(known)
    stop, stopped = trio.Event(), trio.Event()

    async def run(task_status: trio.TaskStatus[Listening]) -> None:
        await serve(app, config, shutdown=stop, limits=limits, task_status=task_status)
        stopped.set()

    async with trio.open_nursery() as nursery:
        listening: Listening = await nursery.start(run)
        await trio.testing.wait_all_tasks_blocked()
        at_rest = trio.lowlevel.current_statistics().tasks_living
        known.append(Running(listening, stop, stopped, at_rest))
        try:
            yield known[0]
        finally:
            stop.set()
            with trio.move_on_after(PATIENCE_SECONDS, shield=True) as patience:
                await stopped.wait()
            nursery.cancel_scope.cancel()
            assert not patience.cancelled_caught, "the server did not stop"
