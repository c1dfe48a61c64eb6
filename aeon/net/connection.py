"""One TCP connection of the server: reads with deadlines, writes in order, ends completely.

Rules of this file:

- Nothing a peer does ends more than its own connection: every error stays in ``run``.
- One task reads. Its cancel scope's deadline is the only timer: it is the request's head, its
  body, the idle time between requests, or the closing, whichever is due.
- The end is bounded: the application is told, gets ``app_grace_seconds``, and is cancelled.
- Before a polite end we stop writing, then still read a little: closing a socket with unread
  bytes in it would reset it and destroy our last words on their way.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from math import inf
from typing import Any, Final, Protocol

import trio

from aeon.net.http2 import Http2
from aeon.net.hypercorn import (
    AppWrapper,
    Closed,
    Config,
    ConnectionEvent,
    ConnectionState,
    H2ProtocolAssumedError,
    Http1,
    HttpRequest,
    RawData,
    StreamOptions,
    Updated,
    WorkerContext,
)
from aeon.net.limits import NetLimits
from aeon.net.output import Chunk, Output, joined
from aeon.net.tasks import Tasks
from aeon.net.websocket import WebSocket

MAX_RECEIVE_BYTES: Final = 96 * 1024
HEAD_BITE_BYTES: Final = 4 * 1024
MAX_RECORD_BYTES: Final = 16 * 1024
"""What TLS encrypts at a time."""
MAX_WAITING_BYTES: Final = 64 * 1024
"""A response that is further ahead of its reader than this waits."""


class Owner(Protocol):
    """The server, as seen from a connection."""

    app: AppWrapper
    refusing_app: AppWrapper
    config: Config
    context: WorkerContext
    limits: NetLimits
    state: ConnectionState
    ssl_context: ssl.SSLContext | None

    @property
    def is_leaving(self) -> bool:
        """The server accepts no more, and is about to stop."""
        ...

    def websocket_opened(self, websocket: WebSocket) -> None:
        """Count it, and ping it from now on."""
        ...

    def websocket_closed(self, websocket: WebSocket) -> None:
        """Forget it."""
        ...

    def connection_failed(self, error: BaseException) -> None:
        """Note an error that ended one connection."""
        ...

    def connection_timed_out(self) -> None:
        """Count a peer that was too slow with its handshake, a request's head or a body."""
        ...


class Connection:
    """One TCP connection, from its acceptance to its end."""

    def __init__(
        self,
        owner: Owner,
        sock: socket.socket,
        peer: tuple[str, int] | None,
        *,
        is_secure: bool,
        is_refused: bool,
    ) -> None:
        self.limits = owner.limits
        self._owner = owner
        self._sock = sock
        self._peer = peer
        self._is_secure = is_secure
        self._is_refused = is_refused
        self._socket_stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = self._socket_stream
        self._reading = trio.CancelScope()
        self._protocol: Http1 | Http2
        self._output: Output
        self._tasks: Tasks
        self._websockets: list[WebSocket] = []
        self._is_idle = True
        self._has_served = False
        self._is_handling = False
        self._is_closing = False
        self._hang_up_at = inf
        self._idle_since = 0.0
        self._head_since: float | None = None
        self._body_since = 0.0
        self._body_bytes = 0

    async def run(self) -> None:
        """Serve the connection until it ends; raises nothing but cancellation."""
        try:
            if self._is_secure:
                await self._handshake()
            async with trio.open_nursery() as nursery:
                await self._serve(nursery)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            pass  # The peer is gone, or never got through its TLS handshake.
        except* Exception as errors:  # noqa: BLE001 - the boundary that keeps a peer's fault its own
            self._owner.connection_failed(errors)
        finally:
            if hasattr(self, "_output"):
                self._output.break_off()
            for websocket in tuple(self._websockets):
                websocket.drop()
            await trio.aclose_forcefully(self._socket_stream)

    @property
    def is_leaving(self) -> bool:
        """The server is about to stop."""
        return self._owner.is_leaving

    def timed_out(self) -> None:
        """Count a body that was given up."""
        self._owner.connection_timed_out()

    def close_if_idle(self) -> None:
        """End it now unless a request or a WebSocket is under way."""
        if self._is_idle:
            self._reading.cancel()

    def hang_up_by(self, seconds: float) -> None:
        """Stop reading in this many seconds at the latest."""
        self._hang_up_at = min(self._hang_up_at, trio.current_time() + seconds)
        self._set_deadline()

    def abort(self) -> None:
        """End it now."""
        self._is_closing = True
        self._reading.cancel()

    def own_output(self) -> Output | None:
        """Give the output to a WebSocket that has the connection to itself."""
        return self._output if isinstance(self._protocol, Http1) else None

    def websocket_opened(self, websocket: WebSocket) -> None:
        """Pass it on to the server."""
        self._websockets.append(websocket)
        self._owner.websocket_opened(websocket)

    def websocket_closed(self, websocket: WebSocket) -> None:
        """Pass it on to the server."""
        self._owner.websocket_closed(websocket)
        if websocket in self._websockets:
            self._websockets.remove(websocket)

    def make_stream(self, options: StreamOptions, *, is_websocket: bool) -> HttpRequest | WebSocket:
        """Make what handles one request."""
        if self._is_refused:
            options = options._replace(app=self._owner.refusing_app)
        return WebSocket(options, self) if is_websocket else HttpRequest(*options)

    async def _handshake(self) -> None:
        assert self._owner.ssl_context is not None
        stream = trio.SSLStream(
            self._socket_stream, self._owner.ssl_context, server_side=True, https_compatible=True
        )
        try:
            with trio.fail_after(self.limits.tls_handshake_seconds):
                await stream.do_handshake()
        except trio.TooSlowError:
            self._owner.connection_timed_out()
            raise
        self._stream = stream

    async def _serve(self, nursery: trio.Nursery) -> None:
        self._tasks = tasks = Tasks(nursery)
        self._output = Output(
            self._send_record if self._is_secure else self._send_when_writable,
            spawn=tasks.spawn,
            on_broken=self.abort,
            stall_seconds=self.limits.send_stall_seconds,
            send_now=None if self._is_secure else self._sock.send,
        )
        is_http2 = isinstance(self._stream, trio.SSLStream) and (
            self._stream.selected_alpn_protocol() == "h2"
        )
        self._protocol = self._make_protocol(Http2 if is_http2 else Http1)
        self._head_since = trio.current_time()
        with self._reading:
            self._set_deadline()
            await self._protocol.initiate()
            await self._read()
        if self._is_overdue():
            self._owner.connection_timed_out()
        with trio.move_on_after(self.limits.app_grace_seconds):
            await self._protocol.handle(Closed())
        if not self._is_closing:
            self._output.break_off()
        nursery.cancel_scope.deadline = trio.current_time() + self.limits.app_grace_seconds

    def _make_protocol(self, kind: type[Http1 | Http2]) -> Http1 | Http2:
        server: Any = self._sock.getsockname()
        return kind(
            self,
            self._owner.app,
            self._owner.config,
            self._owner.context,
            self._tasks,
            self._owner.state.copy(),
            self._is_secure,
            self._peer,
            server[:2] if isinstance(server, tuple) else None,
            self._protocol_send,
        )

    async def _read(self) -> None:
        while data := await self._receive():
            if self._is_closing:
                continue  # Only so that the peer's view of the end stays clean.
            if self._head_since is None:
                self._head_since = trio.current_time()
            self._body_bytes += len(data)
            self._is_handling = True
            self._set_deadline()
            try:
                await self._protocol.handle(RawData(bytes(data)))
            except H2ProtocolAssumedError as preface:
                self._protocol = self._make_protocol(Http2)
                self._is_idle, self._head_since = True, trio.current_time()
                await self._protocol.initiate()
                await self._protocol.handle(RawData(preface.data))
            self._is_handling = False
            if self._has_served and self._is_between_frames():
                self._head_since = None
            self._set_deadline()

    async def _receive(self) -> bytes | bytearray:
        # A head comes in small bites, because h11 judges its size only while it is incomplete.
        size = HEAD_BITE_BYTES if self._is_idle else MAX_RECEIVE_BYTES
        try:
            return await self._stream.receive_some(size)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""  # Vanished, which is no other end than hanging up.

    async def _protocol_send(self, event: ConnectionEvent) -> None:
        if isinstance(event, RawData):
            self._output.write(event.data)
            await self._output.wait_below(MAX_WAITING_BYTES)
        elif isinstance(event, Closed):
            self._close_politely()
        elif isinstance(event, Updated):
            self._is_idle = event.idle
            self._has_served = True
            self._head_since = None
            self._idle_since = self._body_since = trio.current_time()
            self._body_bytes = 0
            if event.idle and self._owner.context.terminated.is_set():
                self._reading.cancel()
            self._set_deadline()

    def _close_politely(self) -> None:
        """Write what is pending, say that no more comes, and read a little longer."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._output.pending_bytes:
            self.hang_up_by(self.limits.send_stall_seconds)
            self._tasks.spawn(self._shut_down_when_written)
        else:
            self._shut_down()

    async def _shut_down_when_written(self) -> None:
        await self._output.wait_below(0)
        self._shut_down()

    def _shut_down(self) -> None:
        self.hang_up_by(self.limits.linger_seconds)
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _is_between_frames(self) -> bool:
        """What came over HTTP/2 was complete: PING and the like begin no head."""
        return isinstance(self._protocol, Http2) and not self._protocol.is_within_head

    def _set_deadline(self) -> None:
        """Say until when the next bytes have to come, given what is due from the peer."""
        if trio.current_time() >= self._reading.deadline:
            return  # Over: bytes that came in the last moment do not hide that they were late.
        self._reading.deadline = min(self._hang_up_at, self._due())

    def _is_overdue(self) -> bool:
        """Reading ended because the peer owed a head or a body; an idle end owes nothing."""
        deadline = self._reading.deadline
        if self._is_closing or deadline >= self._hang_up_at or trio.current_time() < deadline:
            return False
        return self._head_since is not None or (
            isinstance(self._protocol, Http1) and self._protocol.awaits_body
        )

    def _due(self) -> float:
        protocol, limits = self._protocol, self.limits
        if self._is_closing or self._is_handling:
            return inf  # Nothing is due from the peer.
        if isinstance(protocol, Http1) and protocol.awaits_body:
            by_rate = self._body_since + self._body_bytes / limits.body_min_bytes_per_second
            return min(by_rate, trio.current_time()) + limits.body_stall_seconds
        if not self._is_idle or (isinstance(protocol, Http1) and not protocol.awaits_head):
            return inf
        if self._head_since is not None:
            return self._head_since + limits.request_head_seconds
        return self._idle_since + self._owner.config.keep_alive_timeout

    async def _send_when_writable(self, chunks: list[Chunk]) -> int:
        data = joined(chunks)
        while True:
            await trio.lowlevel.wait_writable(self._sock)
            with suppress(BlockingIOError, InterruptedError):
                return self._sock.send(data)

    async def _send_record(self, chunks: list[Chunk]) -> int:
        record = joined(chunks)[:MAX_RECORD_BYTES]
        await self._stream.send_all(record)
        return len(record)
