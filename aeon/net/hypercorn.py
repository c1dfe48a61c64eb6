"""The one module that imports Hypercorn: its names for the rest, and the mends of what 0.18 lacks.

``tests/unit/aeon/net/test_relied_on.py`` fingerprints the source of every name imported here, so
that a new Hypercorn fails there, loudly, instead of in production. What is overridden, and why:

- a finished response is recycled or closed under a shield: Quart-Trio cancels its task at
  ``http.disconnect``, which Hypercorn sends from within that very task, so that idle connections
  and ``Connection: close`` were never closed;
- a request or handshake that Hypercorn itself refuses ends its connection (``StreamClosed``);
- an HTTP/1.1 request of doubtful framing, without a path or of an illegible handshake is a broken
  one, and a target in absolute form is reduced to its path (``aeon.net.requests``);
- cleartext upgrade to HTTP/2 by header (h2c) is ignored: it only serves request smuggling;
- HTTP/2 has its own list, in ``aeon.net.http2``;
- a WebSocket's frames are ours: of Hypercorn's only the handshake and the ASGI side are used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.events import (
    Body,
    Data,
    EndBody,
    EndData,
    Event,
    Request,
    Response,
    StreamClosed,
)
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import (
    STREAM_ID,
    H2ProtocolAssumedError,
    H11Protocol,
    H11WSConnection,
)
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.trio import serve as serve_as_it_comes
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    Framework,
    Scope,
    WebsocketAcceptEvent,
)
from hypercorn.utils import filter_pseudo_headers, wrap_app

from aeon.net.handshake import agree_on_deflate, asks_for_websocket
from aeon.net.limits import NetLimits
from aeon.net.requests import StrictConnection, path_of

__all__ = [
    "RECYCLE_SECONDS",
    "ASGIReceiveEvent",
    "ASGISendEvent",
    "AppWrapper",
    "Body",
    "Closed",
    "Config",
    "ConnectionEvent",
    "ConnectionState",
    "Data",
    "Event",
    "Framework",
    "H2Protocol",
    "H2ProtocolAssumedError",
    "Host",
    "Http1",
    "HttpRequest",
    "Lifespan",
    "RawData",
    "Request",
    "Scope",
    "StreamClosed",
    "StreamOptions",
    "Updated",
    "WebSocketStream",
    "WebsocketAcceptEvent",
    "WorkerContext",
    "filter_pseudo_headers",
    "options_of",
    "serve_as_it_comes",
    "wrap_app",
]

RECYCLE_SECONDS: Final = 5.0


class StreamOptions(NamedTuple):
    """What Hypercorn's stream classes take, in their order."""

    app: AppWrapper
    config: Config
    context: WorkerContext
    task_group: Any  # Hypercorn's protocol wants asyncio or Trio; ours is ``aeon.net.tasks``.
    ssl: bool
    client: tuple[str, int] | None
    server: tuple[str, int] | None
    send: Callable[[Event], Awaitable[None]]
    stream_id: int


class Host(Protocol):
    """The connection, as seen from its protocol."""

    limits: NetLimits

    @property
    def is_leaving(self) -> bool:
        """The server is about to stop: what is asked now is answered for the last time."""
        ...

    def timed_out(self) -> None:
        """Count a body that was given up; the connection goes on."""
        ...

    def make_stream(self, options: StreamOptions, *, is_websocket: bool) -> Any:
        """Make what handles one request: an ``HttpRequest`` or a ``WebSocketStream``."""
        ...


class HttpRequest(HTTPStream):
    """One HTTP request."""

    async def handle(self, event: Event) -> None:
        """Handle one protocol event; a request refused right here ends its stream too."""
        await super().handle(event)
        if isinstance(event, Request) and self.closed:
            await self.send(StreamClosed(stream_id=self.stream_id))


class WebSocketStream(WSStream):
    """Hypercorn's part of a WebSocket: its handshake and its application; not its frames."""

    @property
    def awaits_answer(self) -> bool:
        """The application has not answered the handshake yet."""
        return self.state is ASGIWebsocketState.HANDSHAKE

    @property
    def is_open(self) -> bool:
        """The handshake was accepted."""
        return self.state is ASGIWebsocketState.CONNECTED

    async def handle(self, event: Event) -> None:
        """Take one event of the HTTP protocol underneath."""
        if isinstance(event, Request):
            await self.start(event)
        elif isinstance(event, (Body, Data)):
            await self.bytes_received(event.data)
        elif isinstance(event, EndBody):
            if self.is_open:  # HTTP/2's way to hang up.
                await self.peer_ended()
        elif isinstance(event, StreamClosed):
            await self.connection_lost()

    @property
    def is_refused(self) -> bool:
        """The handshake was refused."""
        return self.closed

    def spawn(self, action: Callable[..., Awaitable[object]]) -> None:
        """Start a task that lives at most as long as the connection."""
        self.task_group.spawn(action)

    async def tell(self, event: Any) -> None:
        """Put an event into the application's queue; nothing happens if it never started."""
        if self.app_put is not None:
            await self.app_put(event)

    async def start(self, request: Request) -> None:
        """Give the handshake to the application; a bad one is refused right here."""
        await super().handle(request)
        if self.closed:
            await self.end_stream()

    async def answer_handshake(self, message: ASGISendEvent | None) -> None:
        """Take the application's answer; ``accepted`` comes of a good one."""
        await super().app_send(message)

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        await self.accepted(message)

    async def accepted(self, message: WebsocketAcceptEvent) -> None:
        """Open the WebSocket; for the subclass, as the next three are."""

    async def bytes_received(self, data: bytes) -> None:
        """Take bytes that the peer sent behind its handshake."""

    async def peer_ended(self) -> None:
        """Note that the peer sends no more."""

    async def connection_lost(self) -> None:
        """Note that the connection below is gone."""

    def accept(self, message: WebsocketAcceptEvent, *, may_deflate: bool) -> tuple[Response, bool]:
        """Accept the handshake: the response, and whether the peer may compress."""
        offers, self.handshake.extensions = self.handshake.extensions, None
        status, headers, _ = self.handshake.accept(
            message.get("subprotocol"), message.get("headers") or []
        )
        agreed = agree_on_deflate(offers or ()) if may_deflate else None
        if agreed is not None:
            headers = [*headers, (b"sec-websocket-extensions", agreed)]
        self.state = ASGIWebsocketState.CONNECTED
        return Response(self.stream_id, headers, status), agreed is not None

    async def log_access(self, status: int) -> None:
        """Write the access log's line of the handshake."""
        await self.config.log.access(self.scope, {"status": status, "headers": []}, 0.0)

    async def refuse(self, status: int) -> None:
        """Answer the handshake with an error."""
        await self._send_error_response(status)
        self.closed = True

    async def send_bytes(self, data: bytes) -> None:
        """Send on the stream below; waits while an HTTP/2 client's window is closed."""
        await self.send(Data(self.stream_id, data))

    async def end_sending(self) -> None:
        """Send no more on the stream below."""
        await self.send(EndData(self.stream_id))

    async def end_stream(self) -> None:
        """End the stream below; ``connection_lost`` comes of it."""
        await self.send(StreamClosed(self.stream_id))


class Http1(H11Protocol):
    """HTTP/1.1, and the way into a WebSocket."""

    def __init__(self, host: Host, *args: Any) -> None:
        super().__init__(*args)
        self._host = host
        self.connection = StrictConnection(
            h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size
        )

    async def stream_send(self, event: Event) -> None:
        """Send one event of the stream; a leaving server says so with each response."""
        if isinstance(event, Response) and event.status_code >= 200 and self._host.is_leaving:
            event = replace(event, headers=[*event.headers, (b"connection", b"close")])
        await super().stream_send(event)

    @property
    def awaits_head(self) -> bool:
        """The next thing to come from the client is (the rest of) a request's head."""
        connection = self.connection
        return isinstance(connection, h11.Connection) and connection.their_state is h11.IDLE

    @property
    def awaits_body(self) -> bool:
        """The client still owes (the rest of) a request's body."""
        connection = self.connection
        return isinstance(connection, h11.Connection) and connection.their_state is h11.SEND_BODY

    async def _create_stream(self, request: h11.Request) -> None:
        is_websocket = asks_for_websocket(request.method, request.headers)
        self.stream = self._host.make_stream(options_of(self, STREAM_ID), is_websocket=is_websocket)
        if is_websocket:
            assert isinstance(self.connection, h11.Connection)
            self.connection = H11WSConnection(self.connection)
        raw = self.config.h11_pass_raw_headers
        headers = request.headers.raw_items() if raw else list(request.headers)
        path = path_of(request.target)
        assert path is not None, "refused by StrictConnection"
        self.keep_alive_requests += 1
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=path,
                state=self.connection_state,
            )
        )
        await self.context.mark_request()

    async def _maybe_recycle(self) -> None:
        with trio.move_on_after(RECYCLE_SECONDS, shield=True):
            await super()._maybe_recycle()

    async def _check_protocol(self, event: h11.Request) -> None:
        is_preface = event.method == b"PRI" and event.http_version == b"2.0"
        if is_preface and "h2" in self.config.alpn_protocols:
            raise H2ProtocolAssumedError(
                b"PRI * HTTP/2.0\r\n\r\n" + self.connection.trailing_data[0]
            )


def options_of(protocol: H11Protocol | H2Protocol, stream_id: int) -> StreamOptions:
    """Give what a new stream of this connection takes."""
    return StreamOptions(
        protocol.app,
        protocol.config,
        protocol.context,  # type: ignore[arg-type]  # Hypercorn declares its own Protocol
        protocol.task_group,
        protocol.ssl,
        protocol.client,
        protocol.server,
        protocol.stream_send,
        stream_id,
    )
