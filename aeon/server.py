"""The server: Hypercorn's protocols on Trio, on connections and transports of our own.

``serve`` takes any ASGI application and a Hypercorn configuration. Hypercorn keeps what it does
well (configuration, TLS, HTTP/1.1 and HTTP/2, the ASGI lifespan); accepting, connection limits,
deadlines, the ordered way out, heartbeat and stopping are in ``aeon.net``.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import trio

from aeon.net.addresses import one_of_many
from aeon.net.connection import Connection
from aeon.net.heartbeat import Heartbeat
from aeon.net.hypercorn import (
    AppWrapper,
    Config,
    ConnectionState,
    Framework,
    Lifespan,
    WorkerContext,
    wrap_app,
)
from aeon.net.limits import NetLimits
from aeon.net.transport import Transport, current_transport
from aeon.net.turns import Turns
from aeon.net.websocket import WebSocket

__all__ = [
    "Config",
    "Listening",
    "NetLimits",
    "ServerStatistics",
    "Transport",
    "current_transport",
    "serve",
]

TOO_MANY: Final = 4029
RESTART: Final = 1012
ACCEPT_AT_ONCE: Final = 64
OUT_OF_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
MAX_FAULTS_LOGGED: Final = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """What the server holds now, and what it has seen since it started."""

    connections: int
    websockets: int
    addresses: int
    accepted: int
    refused: int
    dropped: int
    """Closed unserved: more came than could even be refused in words."""
    websockets_opened: int
    heartbeats_missed: int
    timeouts: int
    """Peers that were too slow with a TLS handshake, a request's head or its body."""
    faults: int
    """Connections that ended by an error of the peer's protocol or of ours."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A running server: where it listens, and how it is."""

    urls: tuple[str, ...]
    """One per socket, as ``http://127.0.0.1:8000``; ``unix:`` paths as they are."""
    statistics: Callable[[], ServerStatistics]
    """Takes a snapshot."""

    @property
    def url(self) -> str:
        """The first of them."""
        return self.urls[0]


async def serve(
    app: Framework,
    config: Config,
    *,
    shutdown: trio.Event | Callable[[], Awaitable[None]],
    limits: NetLimits | None = None,
    turns: Turns | None = None,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application until ``shutdown`` is set, or its function returns.

    Stopping: no new connections; responses say ``Connection: close``, and connections that stay
    idle are closed after a moment; requests under way get Hypercorn's ``graceful_timeout``;
    WebSockets that the application has not closed by itself are closed with 1012 behind what was
    sent to them. Then everything left is cancelled, at the latest
    when ``graceful_timeout`` is over. Cancelling ``serve`` itself stops without any grace.

    Args:
        app: the ASGI application.
        config: Hypercorn's; ``bind`` may name port 0. Workers, reload, QUIC, and WebSocket size
            and ping settings are not used: the latter are in ``limits``.
        shutdown: an event, or an async function that returns when it is time.
        limits: what a peer may do.
        turns: takes turns with the other processes that accept from the same sockets.
        task_status: gets a ``Listening`` once every socket listens and the app has started.

    Raises:
        OSError: an address can not be bound.
        ValueError: the configuration asks for QUIC, or for query strings in the access log.
        hypercorn.utils.LifespanFailureError: the application did not start.
    """
    _refuse_queries_in_logs(config)
    wrapped = wrap_app(app, config.wsgi_max_body_size, None)
    server = Server(wrapped, config, limits or NetLimits(), turns)
    wait = shutdown.wait if isinstance(shutdown, trio.Event) else shutdown
    lifespan = Lifespan(server.app, config, server.state)
    async with trio.open_nursery() as nursery:
        await nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        await server.run(wait, task_status)
        await lifespan.wait_for_shutdown()
        nursery.cancel_scope.cancel(reason="the server has stopped")


class Server:
    """Accepts connections, counts them, and stops them."""

    def __init__(
        self, app: AppWrapper, config: Config, limits: NetLimits, turns: Turns | None = None
    ) -> None:
        self.app = app
        self.config = config
        self.limits = limits
        self._turns = turns
        self.is_leaving = False
        """No more is accepted; whoever is connected is answered and let go."""
        self.state = ConnectionState({})
        self.context = WorkerContext(config.max_requests)
        self.ssl_context: ssl.SSLContext | None = config.create_ssl_context()
        self.refusing_app: AppWrapper = _RefusingApp()
        self._connections: set[Connection] = set()
        self._websockets: set[WebSocket] = set()
        self._per_address: Counter[str] = Counter()
        self._heartbeat = Heartbeat(limits)
        self._emptied = trio.Event()
        self._refusing = 0
        self._accepted = self._refused = self._dropped = self._opened = self._faults = 0
        self._timeouts = 0

    async def run(
        self, wait_shutdown: Callable[[], Awaitable[None]], task_status: trio.TaskStatus[Listening]
    ) -> None:
        """Listen and serve until told to stop, then stop in order."""
        sockets = self.config.create_sockets()
        if sockets.quic_sockets:
            raise ValueError("QUIC is not supported; remove quic_bind")
        listeners = [(sock, True) for sock in sockets.secure_sockets]
        listeners += [(sock, False) for sock in sockets.insecure_sockets]
        try:
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    for sock, is_secure in listeners:
                        sock.listen(self.config.backlog)
                        self._note_turns()
                        accepting.start_soon(self._accept, sock, is_secure, connections)
                    connections.start_soon(self._heartbeat.run)
                    urls = tuple(_url(sock, is_secure) for sock, is_secure in listeners)
                    task_status.started(Listening(urls, self.statistics))
                    await _first_of(wait_shutdown, self.context.terminate.wait)
                    accepting.cancel_scope.cancel(reason="the server is stopping")
                for sock, _ in listeners:
                    sock.close()
                if self._turns is not None:
                    self._turns.leave()
                    self._turns = None
                await self._stop(connections)
        finally:
            for sock, _ in listeners:
                sock.close()

    def statistics(self) -> ServerStatistics:
        """Count."""
        return ServerStatistics(
            connections=len(self._connections),
            websockets=len(self._websockets),
            addresses=len(self._per_address),
            accepted=self._accepted,
            refused=self._refused,
            dropped=self._dropped,
            websockets_opened=self._opened,
            heartbeats_missed=self._heartbeat.dropped,
            timeouts=self._timeouts,
            faults=self._faults,
        )

    def websocket_opened(self, websocket: WebSocket) -> None:
        """Count it, and ping it from now on."""
        self._opened += 1
        self._websockets.add(websocket)
        self._heartbeat.add(websocket)

    def websocket_closed(self, websocket: WebSocket) -> None:
        """Forget it."""
        self._websockets.discard(websocket)
        self._heartbeat.remove(websocket)

    def connection_timed_out(self) -> None:
        """Count it."""
        self._timeouts += 1

    def connection_failed(self, error: BaseException) -> None:
        """Note an error that ended one connection; the first of them are logged."""
        self._faults += 1
        if self._faults <= MAX_FAULTS_LOGGED:
            _log.warning("connection ended by an error", exc_info=error)

    async def _stop(self, connections: trio.Nursery) -> None:
        grace = trio.current_time() + self.config.graceful_timeout
        # An idle connection is not cut at once: the next request may be on its way, and would
        # fail. It is answered with "Connection: close", as all responses are from now on.
        self.is_leaving = True
        await self._wait_empty(min(grace, trio.current_time() + self.limits.farewell_seconds))
        await self.context.terminated.set()
        for connection in tuple(self._connections):
            connection.close_if_idle()
        for websocket in tuple(self._websockets):
            websocket.transport.close_nowait(RESTART, "restart")
        await self._wait_empty(grace)
        connections.cancel_scope.cancel(reason="the server has stopped")

    async def _wait_empty(self, deadline: float) -> None:
        with trio.CancelScope(deadline=deadline):
            while self._connections:
                self._emptied = trio.Event()
                await self._emptied.wait()

    async def _accept(
        self, listener: socket.socket, is_secure: bool, connections: trio.Nursery
    ) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            quota = ACCEPT_AT_ONCE if self._turns is None else await self._turns.wait()
            for _ in range(quota):
                try:
                    sock, peer = listener.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in OUT_OF_RESOURCES:
                        _log.error("cannot accept connections", exc_info=error)
                        await trio.sleep(0.1)
                    break
                self._admit(sock, peer, is_secure, connections)

    def _admit(
        self, sock: socket.socket, peer: Any, is_secure: bool, connections: trio.Nursery
    ) -> None:
        address = peer[:2] if isinstance(peer, tuple) else None
        host = one_of_many(address[0]) if address is not None else "local"
        limits = self.limits
        is_refused = len(self._connections) - self._refusing >= limits.max_connections or (
            limits.max_connections_per_address is not None
            and self._per_address[host] >= limits.max_connections_per_address
        )
        if is_refused and self._refusing >= limits.max_refusals:
            self._dropped += 1
            sock.close()
            return
        connection = Connection(self, sock, address, is_secure=is_secure, is_refused=is_refused)
        self._connections.add(connection)
        self._accepted += 1
        self._refusing += is_refused
        self._refused += is_refused
        self._per_address[host] += 1
        self._note_turns()
        connections.start_soon(partial(self._serve, connection, host, is_refused=is_refused))

    async def _serve(self, connection: Connection, host: str, *, is_refused: bool) -> None:
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._refusing -= is_refused
            self._per_address[host] -= 1
            if not self._per_address[host]:
                del self._per_address[host]
            self._note_turns()
            if not self._connections:
                self._emptied.set()

    def _note_turns(self) -> None:
        if self._turns is not None:
            self._turns.note(len(self._connections))


class _RefusingApp:
    """Answers in place of the application when there are too many connections."""

    async def __call__(
        self, scope: Any, receive: Any, send: Any, sync_spawn: Any, call_soon: Any
    ) -> None:
        if scope["type"] == "websocket":
            # Accepted first: a browser can not read the status of a refused handshake.
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await send({"type": "websocket.close", "code": TOO_MANY, "reason": "too_many"})
            return
        headers = [(b"retry-after", b"5"), (b"connection", b"close"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _refuse_queries_in_logs(config: Config) -> None:
    # Credentials of browsers stand in the query, because they can set no header on a WebSocket.
    if config.accesslog is not None:
        for field in ("%(R)", "%(Uq)", "%(q)"):
            if field in config.access_log_format:
                raise ValueError(f"access_log_format must not log query strings: remove {field}s")


async def _first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    async with trio.open_nursery() as nursery:

        async def wait_then_stop(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            nursery.cancel_scope.cancel(reason="one is enough")

        for wait in waits:
            nursery.start_soon(wait_then_stop, wait)


def _url(sock: socket.socket, is_secure: bool) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"{'https' if is_secure else 'http'}://{host}:{name[1]}"
