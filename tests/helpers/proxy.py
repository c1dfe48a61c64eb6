"""A man in the middle of a PostgreSQL connection: cuts or stalls it at a chosen moment."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trio


class PostgresProxy:
    """Listens on a socket of its own and forwards to the real one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._server = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._directory = tempfile.TemporaryDirectory(prefix="aeon-proxy-")
        self.url = url.replace(query["host"][0], self._directory.name)
        self.cut_reply_after: bytes | None = None
        """Once the client has sent this, the server hears it and the client hears nothing."""
        self.cut_request_at: bytes | None = None
        """What the client sends from here on never arrives."""
        self.flowing = trio.Event()
        """While not set replies are kept back; the connection stays open."""
        self.flowing.set()
        self.taking = trio.Event()
        """While not set what the client sends is not taken in; its socket fills up."""
        self.taking.set()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[PostgresProxy]:
        proxy = cls(url)
        with proxy._directory as directory, trio.socket.socket(trio.socket.AF_UNIX) as listener:
            await listener.bind(str(Path(directory) / ".s.PGSQL.5432"))
            listener.listen()
            async with trio.open_nursery() as nursery:

                async def serve() -> None:
                    while True:
                        client, _ = await listener.accept()
                        nursery.start_soon(proxy._forward, trio.SocketStream(client))

                nursery.start_soon(serve)
                try:
                    yield proxy
                finally:
                    nursery.cancel_scope.cancel()

    async def _forward(self, client: trio.SocketStream) -> None:
        async with client, await trio.open_unix_socket(self._server) as server:
            await self._forward_between(client, server)

    async def _forward_between(self, client: trio.SocketStream, server: trio.SocketStream) -> None:
        is_cut = False

        async def requests() -> None:
            nonlocal is_cut
            async for data in client:
                if self.cut_request_at is not None and self.cut_request_at in data:
                    break
                if self.cut_reply_after is not None and self.cut_reply_after in data:
                    is_cut = True
                await self.taking.wait()
                await server.send_all(data)
            nursery.cancel_scope.cancel()

        async def replies() -> None:
            async for data in server:
                if is_cut:
                    break
                await self.flowing.wait()
                await client.send_all(data)
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(requests)
                nursery.start_soon(replies)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
