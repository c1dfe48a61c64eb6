"""TLS in front of a server that has none, as a load balancer ends it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class TlsProxy:
    """Listens on 127.0.0.1 and forwards what comes over TLS; refuses everything else.

    PostgreSQL's clients ask for TLS in a first word (``is_asked_for``); others begin with it.
    """

    def __init__(
        self, context: ssl.SSLContext, server_port: int, *, is_asked_for: bool = True
    ) -> None:
        self._context = context
        self._server_port = server_port
        self._is_asked_for = is_asked_for
        self.port = 0
        self.connections = 0
        """That finished the handshake."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, context: ssl.SSLContext, server_port: int, *, is_asked_for: bool = True
    ) -> AsyncIterator[TlsProxy]:
        proxy = cls(context, server_port, is_asked_for=is_asked_for)
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, proxy._serve, [listener])
            yield proxy
            nursery.cancel_scope.cancel()

    async def _serve(self, client: trio.SocketStream) -> None:
        async with client:
            if self._is_asked_for:
                if await _receive_exactly(client, len(_SSL_REQUEST)) != _SSL_REQUEST:
                    return
                await client.send_all(b"S")
            # Ends as PostgreSQL ends it: with a word, so that a cancel request counts as heard.
            secured = trio.SSLStream(client, self._context, server_side=True)
            try:
                await secured.do_handshake()
            except trio.BrokenResourceError:
                # The client does not like the certificate.
                return
            self.connections += 1
            server = await trio.open_tcp_stream("127.0.0.1", self._server_port)
            async with secured, server:
                await _forward_between(secured, server)


async def _receive_exactly(stream: trio.SocketStream, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = await stream.receive_some(count - len(received))
        if not piece:
            break
        received += bytes(piece)
    return received


async def _forward_between(
    client: trio.SSLStream[trio.SocketStream], server: trio.SocketStream
) -> None:
    async def forward(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream) -> None:
        async for data in source:
            await sink.send_all(data)
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forward, client, server)
            nursery.start_soon(forward, server, client)
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
