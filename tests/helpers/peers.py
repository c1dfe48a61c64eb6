"""WebSocket clients over every way to reach an application, with one face.

``TcpPeer`` talks frames over a byte stream: plain, TLS, or one stream of HTTP/2. ``TestPeer``
is Quart's test client. Both ``text``, ``closed`` and ``ended`` tell what the server did.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import h2.config
import h2.connection
import h2.events
import hypercorn.trio
import trio
from quart.testing.connections import WebsocketDisconnectError
from quart_trio import QuartTrio

from aeon.net.asgi import TransportMiddleware
from aeon.server import NetLimits
from tests.helpers.rawsocket import RawClient, connected, frame
from tests.helpers.serving import PATIENCE_SECONDS, Running, serving


class Peer(Protocol):
    """A client's view of one WebSocket."""

    async def say(self, text: str) -> None:
        """Send a text message."""

    async def text(self) -> str:
        """Read the next text message."""

    async def closed(self) -> tuple[int, str]:
        """Read on to the server's close: code and reason."""

    async def ended(self) -> None:
        """Wait until the server has hung up."""

    async def leave(self) -> None:
        """Vanish."""


class TcpPeer:
    """A peer over any byte stream on which the handshake has been done."""

    def __init__(self, client: RawClient) -> None:
        self.client = client

    async def say(self, text: str) -> None:
        await self.client.send(frame(1, text.encode()))

    async def text(self) -> str:
        return await self.client.text()

    async def closed(self) -> tuple[int, str]:
        closed = await self.client.closed()
        return closed.code, closed.reason

    async def ended(self) -> None:
        await self.client.end()

    async def leave(self) -> None:
        await trio.aclose_forcefully(self.client.stream)


class TestPeer:
    """Quart's test client."""

    __test__ = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def say(self, text: str) -> None:
        await self._connection.send(text)

    async def text(self) -> str:
        with trio.fail_after(PATIENCE_SECONDS):
            data: str = await self._connection.receive()
        return data

    async def closed(self) -> tuple[int, str]:
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    await self._connection.receive()
                except WebsocketDisconnectError as error:
                    return int(str(error.args[0])), ""

    async def ended(self) -> None:
        await trio.lowlevel.checkpoint()

    async def leave(self) -> None:
        await self._connection._server_send.send({"type": "websocket.disconnect"})


class Http2Stream:
    """The byte stream of one WebSocket over HTTP/2 (RFC 8441), read only as fast as asked."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self._stream_id = 0
        self._data = b""
        self._status: str | None = None
        self._has_ended = False

    async def open(self, path: str) -> None:
        """Shake hands by extended CONNECT."""
        self._h2.initiate_connection()
        await self._flush()
        await self._step()  # The server's settings allow extended CONNECT.
        self._stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(
            self._stream_id,
            [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "https"),
                (":path", path),
                (":authority", "test"),
                ("sec-websocket-version", "13"),
            ],
        )
        await self._flush()
        while self._status is None:
            assert await self._step()
        assert self._status == "200"

    async def send_all(self, data: bytes) -> None:
        """Send as DATA."""
        self._h2.send_data(self._stream_id, data)
        await self._flush()

    async def receive_some(self, _max_bytes: int) -> bytes:
        """Read DATA; empty when the stream has ended."""
        while not self._data and not self._has_ended:
            if not await self._step():
                return b""
        data, self._data = self._data, b""
        return data

    async def aclose(self) -> None:
        """Close the connection below."""
        await self._stream.aclose()

    async def _step(self) -> bool:
        raw = await self._stream.receive_some(65536)
        if not raw:
            return False
        for event in self._h2.receive_data(raw):
            if isinstance(event, h2.events.ResponseReceived):
                self._status = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                self._data += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, self._stream_id)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self._has_ended = True
        await self._flush()
        return True

    async def _flush(self) -> None:
        await self._stream.send_all(self._h2.data_to_send())


Connect = Callable[[], AbstractAsyncContextManager[Peer]]
"""Opens the WebSocket ``/ws`` of the application."""

Way = Callable[
    [QuartTrio, NetLimits, Path], AbstractAsyncContextManager[tuple[Connect, Running | None]]
]


@asynccontextmanager
async def by_tcp(
    app: QuartTrio, limits: NetLimits, _directory: Path
) -> AsyncIterator[tuple[Connect, Running | None]]:
    """Serve over plain HTTP/1.1: the way of the direct transport."""
    async with serving(app, limits=limits) as running:
        yield lambda: _plain_peer(running.port), running


@asynccontextmanager
async def by_tls(
    app: QuartTrio, limits: NetLimits, directory: Path
) -> AsyncIterator[tuple[Connect, Running | None]]:
    """Serve over TLS."""
    async with _secure(app, limits, directory) as running:

        @asynccontextmanager
        async def connect() -> AsyncIterator[Peer]:
            async with _secure_stream(running.port, "http/1.1") as stream:
                client = RawClient(stream)
                await client.handshake()
                yield TcpPeer(client)

        yield connect, running


@asynccontextmanager
async def by_http2(
    app: QuartTrio, limits: NetLimits, directory: Path
) -> AsyncIterator[tuple[Connect, Running | None]]:
    """Serve over HTTP/2."""
    async with _secure(app, limits, directory) as running:

        @asynccontextmanager
        async def connect() -> AsyncIterator[Peer]:
            async with _secure_stream(running.port, "h2") as stream:
                over_http2: Any = Http2Stream(stream)
                await over_http2.open("/ws")
                yield TcpPeer(RawClient(over_http2))

        yield connect, running


@asynccontextmanager
async def by_foreign_server(
    app: QuartTrio, limits: NetLimits, _directory: Path
) -> AsyncIterator[tuple[Connect, Running | None]]:
    """Serve by Hypercorn as it comes."""
    config = hypercorn.Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    config.graceful_timeout = 0.2
    served: Any = TransportMiddleware(app, limits)
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[list[str]]) -> None:
            await hypercorn.trio.serve(
                served, config, shutdown_trigger=trio.sleep_forever, task_status=task_status
            )

        urls: list[str] = await nursery.start(run)
        yield lambda: _plain_peer(int(urls[0].rpartition(":")[2])), None
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def by_test_client(
    app: QuartTrio, limits: NetLimits, _directory: Path
) -> AsyncIterator[tuple[Connect, Running | None]]:
    """Call the application by Quart's test client."""
    app.asgi_app = TransportMiddleware(app.asgi_app, limits)  # type: ignore[method-assign]

    @asynccontextmanager
    async def connect() -> AsyncIterator[Peer]:
        async with app.test_client().websocket("/ws") as connection:
            yield TestPeer(connection)

    yield connect, None


@asynccontextmanager
async def _plain_peer(port: int) -> AsyncIterator[Peer]:
    async with connected(port, receive_buffer_bytes=16384) as client:
        await client.handshake()
        yield TcpPeer(client)


@asynccontextmanager
async def _secure(app: QuartTrio, limits: NetLimits, directory: Path) -> AsyncIterator[Running]:
    async with serving(
        app,
        limits=limits,
        certfile=str(directory / "certificate.pem"),
        keyfile=str(directory / "key.pem"),
    ) as running:
        yield running


@asynccontextmanager
async def _secure_stream(port: int, protocol: str) -> AsyncIterator[Any]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    async with connected(port, receive_buffer_bytes=16384) as client:
        stream = trio.SSLStream(client.stream, context, https_compatible=True)
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == protocol
        yield stream
