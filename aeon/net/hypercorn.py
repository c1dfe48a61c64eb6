"""Everything that reaches into Hypercorn, and the mends of what 0.18 gets wrong.

A test fingerprints the source of
what is overridden or relied on here (``RELIED_ON``), so that a new Hypercorn fails there, loudly,
instead of in production. The mends:

- one application task's queue never blocks the reader for ever, nor the other way round
  (``Tasks``): Hypercorn waits without bound to say ``disconnect`` to an app that reads nothing;
- a finished response is recycled or closed under a shield (``_maybe_recycle``): Quart-Trio
  cancels its task at ``http.disconnect``, which Hypercorn sends from within that very task, so
  that idle connections and ``Connection: close`` were never closed;
- a request or handshake refused by Hypercorn itself ends its connection (``StreamClosed``);
- cleartext upgrade to HTTP/2 by header (h2c) is ignored: it only serves request smuggling;
- HTTP/2's are in ``aeon.net.http2``, the only other module that knows Hypercorn's protocols.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import (
    STREAM_ID,
    H2ProtocolAssumedError,
    H11Protocol,
    H11WSConnection,
)
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import ASGIWebsocketState, Handshake, WSStream
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
from hypercorn.utils import wrap_app

from aeon.net.limits import NetLimits

__all__ = [
    "OWN_TRANSPORT",
    "ASGISendEvent",
    "ASGIWebsocketState",
    "AppWrapper",
    "Body",
    "Closed",
    "Config",
    "ConnectionEvent",
    "ConnectionState",
    "Data",
    "EndBody",
    "EndData",
    "Event",
    "Framework",
    "H2ProtocolAssumedError",
    "Host",
    "Http1",
    "HttpRequest",
    "Lifespan",
    "RawData",
    "Request",
    "Response",
    "Scope",
    "StreamClosed",
    "StreamOptions",
    "Tasks",
    "Updated",
    "WSStream",
    "WebsocketAcceptEvent",
    "WorkerContext",
    "accept_handshake",
    "wrap_app",
]

RELIED_ON: Final = (
    H11Protocol,
    H11WSConnection,
    H2Protocol,
    HTTPStream,
    Handshake,
    Lifespan,
    StreamBuffer,
    WSStream,
    WorkerContext,
)
"""Classes of Hypercorn whose source this package depends on beyond their documentation."""

OWN_TRANSPORT: Final = "aeon.transport"
"""Name of the scope's extension by which this server says that it has set the transport."""

RECYCLE_SECONDS: Final = 5.0
DEFLATE: Final = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class StreamOptions(NamedTuple):
    """What Hypercorn's stream classes take, in their order."""

    app: AppWrapper
    config: Config
    context: WorkerContext
    task_group: Any  # Hypercorn's protocol wants asyncio or Trio; ours is ``Tasks``.
    ssl: bool
    client: tuple[str, int] | None
    server: tuple[str, int] | None
    send: Callable[[Event], Awaitable[None]]
    stream_id: int


class Host(Protocol):
    """The connection, as seen from its protocol."""

    limits: NetLimits

    def make_stream(self, options: StreamOptions, *, is_websocket: bool) -> Any:
        """Make what handles one request: an ``HttpRequest`` or a WebSocket."""
        ...


class Tasks:
    """The tasks of one connection, in the shape that Hypercorn's protocols expect."""

    __slots__ = ("_nursery",)

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def spawn(self, action: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a task that lives at most as long as the connection."""
        self._nursery.start_soon(action, *args)

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the application for one scope; gives the way to put events into its queue."""
        if scope["type"] == "websocket":
            scope["extensions"][OWN_TRANSPORT] = {}
        queue, events = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)

        async def put(event: ASGIReceiveEvent) -> None:
            try:
                if event["type"] == "http.disconnect":
                    # An app that has not read its body does not read this either.
                    queue.send_nowait(event)
                else:
                    await queue.send(event)
            except (trio.WouldBlock, trio.BrokenResourceError):
                pass

        async def run() -> None:
            with events:
                try:
                    await app(
                        scope,
                        events.receive,
                        send,
                        trio.to_thread.run_sync,
                        trio.from_thread.run,
                    )
                except* Exception:  # noqa: BLE001 - the app's errors are not the connection's
                    await config.log.exception("Error in ASGI Framework")
            await send(None)

        self._nursery.start_soon(run)
        return put


class HttpRequest(HTTPStream):
    """One HTTP request."""

    async def handle(self, event: Event) -> None:
        """Handle one protocol event; a request refused right here ends its stream too."""
        await super().handle(event)
        if isinstance(event, Request) and self.closed:
            await self.send(StreamClosed(stream_id=self.stream_id))


class Http1(H11Protocol):
    """HTTP/1.1, and the way into a WebSocket."""

    def __init__(self, host: Host, *args: Any) -> None:
        super().__init__(*args)
        self._host = host

    @property
    def is_websocket(self) -> bool:
        """The connection has been handed over to a WebSocket."""
        return isinstance(self.connection, H11WSConnection)

    @property
    def awaits_head(self) -> bool:
        """The next thing to come from the client is (the rest of) a request's head."""
        return not self.is_websocket and self.connection.their_state is h11.IDLE

    @property
    def awaits_body(self) -> bool:
        """The client still owes (the rest of) a request's body."""
        return not self.is_websocket and self.connection.their_state is h11.SEND_BODY

    async def _create_stream(self, request: h11.Request) -> None:
        is_websocket = _asks_for_websocket(request)
        self.stream = self._host.make_stream(options_of(self, STREAM_ID), is_websocket=is_websocket)
        if is_websocket:
            assert isinstance(self.connection, h11.Connection)
            self.connection = H11WSConnection(self.connection)
        raw = self.config.h11_pass_raw_headers
        headers = request.headers.raw_items() if raw else list(request.headers)
        self.keep_alive_requests += 1
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
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


def accept_handshake(
    handshake: Handshake, message: WebsocketAcceptEvent, *, may_deflate: bool
) -> tuple[int, list[tuple[bytes, bytes]], bool]:
    """Accept a handshake: status, headers, and whether the client may compress.

    permessage-deflate is agreed on without context takeover, so it allocates nothing that
    outlives a message.
    """
    offers = [offer.strip() for offer in handshake.extensions or ()]
    handshake.extensions = None
    status, headers, _ = handshake.accept(message.get("subprotocol"), message.get("headers") or [])
    offer = next((o for o in offers if o.split(";")[0].strip() == "permessage-deflate"), None)
    if not may_deflate or offer is None:
        return status, headers, False
    window = next((p.strip() for p in offer.split(";") if "server_max_window_bits=" in p), "")
    answer = DEFLATE + (b"; " + window.encode() if window else b"")
    return status, [*headers, (b"sec-websocket-extensions", answer)], True


def options_of(protocol: H11Protocol | H2Protocol, stream_id: int) -> StreamOptions:
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


def _asks_for_websocket(request: h11.Request) -> bool:
    if request.method.upper() != b"GET":
        return False
    upgrade = connection = b""
    for name, value in request.headers:
        if name == b"upgrade":
            upgrade = value.strip().lower()
        elif name == b"connection":
            connection += b"," + value.lower()
    tokens = [token.strip() for token in connection.split(b",")]
    return upgrade == b"websocket" and b"upgrade" in tokens
