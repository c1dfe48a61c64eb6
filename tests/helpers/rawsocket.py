"""A client that can send anything: bytes on a socket, WebSocket frames good and bad."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PATIENCE_SECONDS = 9.0
"""More than a busy machine takes, less than a server's deadlines unless it is told others."""


def get(path: str = "/", *headers: str, host: str = "test") -> bytes:
    """Encode a GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def upgrade(path: str = "/ws", *headers: str) -> bytes:
    """Encode a WebSocket handshake."""
    return get(
        path,
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    )


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    masked: bool = True,
    reserved: int = 0,
    claimed_size: int | None = None,
) -> bytes:
    """Encode a client's frame, or something like it."""
    size = len(payload) if claimed_size is None else claimed_size
    head = bytearray([(0x80 if fin else 0) | reserved << 4 | opcode])
    flag = 0x80 if masked else 0
    if size < 126:
        head.append(flag | size)
    elif size < 0x10000:
        head += bytes([flag | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + size.to_bytes(8, "big")
    if not masked:
        return bytes(head) + payload
    mask = os.urandom(4)
    return bytes(head) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


@dataclass
class Closed:
    """The server's close frame."""

    code: int
    reason: str


class RawClient:
    """One TCP connection; every read has a deadline."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send_all(data)

    async def handshake(self, path: str = "/ws", *headers: str) -> bytes:
        """Open a WebSocket; gives the response's head."""
        await self.send(upgrade(path, *headers))
        head = await self.head()
        assert head.startswith(b"HTTP/1.1 101"), head
        return head

    async def head(self) -> bytes:
        """Read a response's head."""
        while b"\r\n\r\n" not in self._buffer:
            assert await self._more(), f"end of stream after {self._buffer!r}"
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    async def response(self) -> tuple[int, bytes]:
        """Read a whole response with a Content-Length: status and body."""
        head = await self.head()
        lines = head.lower().split(b"\r\n")
        length = next(int(x.split(b":")[1]) for x in lines if x.startswith(b"content-length:"))
        return int(head.split()[1]), await self.exactly(length)

    async def exactly(self, size: int) -> bytes:
        """Read that many bytes."""
        while len(self._buffer) < size:
            assert await self._more(), f"end of stream after {self._buffer!r}"
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def frame(self) -> tuple[int, bytes]:
        """Read one frame of the server: opcode and payload."""
        first, size = await self.exactly(2)
        assert first & 0x70 == 0
        assert not size & 0x80, "a server's frame is not masked"
        if size == 126:
            size = int.from_bytes(await self.exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.exactly(8), "big")
        return first & 0x0F, await self.exactly(size)

    async def text(self) -> str:
        """Read the next text message; pings in between are dropped."""
        opcode, payload = await self.frame()
        while opcode == 9:
            opcode, payload = await self.frame()
        assert opcode == 1, (opcode, payload)
        return payload.decode()

    async def closed(self) -> Closed:
        """Read on to the server's close frame."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())

    async def end(self, within_seconds: float = PATIENCE_SECONDS) -> bytes:
        """Read on until the server hangs up; gives what came."""
        with trio.fail_after(within_seconds):
            try:
                while await self._more():
                    pass
            except trio.BrokenResourceError:
                pass
        data, self._buffer = self._buffer, b""
        return data

    async def _more(self) -> bool:
        with trio.fail_after(PATIENCE_SECONDS):
            data = await self.stream.receive_some(65536)
        self._buffer += data
        return bool(data)

    def reset(self) -> None:
        """Vanish with a TCP reset."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.stream.socket.close()


@asynccontextmanager
async def connected(
    port: int, *, receive_buffer_bytes: int | None = None
) -> AsyncIterator[RawClient]:
    """Connect to a port of this host, and hang up at the end of the block."""
    sock = trio.socket.socket()
    if receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    await sock.connect(("127.0.0.1", port))
    stream = trio.SocketStream(sock)
    try:
        yield RawClient(stream)
    finally:
        await trio.aclose_forcefully(stream)


async def still_serves(port: int) -> None:
    """Assert that a stranger gets a page and a WebSocket."""
    async with connected(port) as client:
        await client.send(get("/", "Connection: close"))
        assert (await client.response()) == (200, b"served")
    async with connected(port) as client:
        await client.handshake()
        await client.send(frame(1, b"alive?"))
        assert await client.text() == "alive?"
        await client.send(frame(8, (1000).to_bytes(2, "big")))
        assert (await client.closed()).code == 1000
