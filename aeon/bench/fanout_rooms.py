"""The three ways of sending that ``aeon bench fanout`` compares, each with a room of members."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio
from quart import websocket
from quart.wrappers import Websocket
from quart_trio import QuartTrio

from aeon.net.frames import text_frames
from aeon.net.hypercorn import serve_as_it_comes
from aeon.server import Config, Listening, Transport, current_transport, serve


@dataclass(frozen=True, slots=True)
class Room:
    """Members on one kind of server."""

    port: int
    send: Callable[[tuple[bytes, ...]], Awaitable[None]]
    """Send one commit's events to every member."""
    count: Callable[[], int]
    """How many members are there."""
    close: Callable[[], None]
    """Hang up on everybody, behind what was sent."""


Open = Callable[[], AbstractAsyncContextManager[Room]]


@asynccontextmanager
async def open_bare() -> AsyncIterator[Room]:
    """Sockets in a list, and a loop of ``send``."""
    members: list[socket.socket] = []
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(1000)

    async def accept() -> None:
        while True:
            sock, _ = await listener.accept()
            await sock.recv(4096)
            await sock.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            member = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
            sock.close()
            member.setblocking(False)
            member.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            members.append(member)

    async def send(payloads: tuple[bytes, ...]) -> None:
        frames = [text_frames((payload,)) for payload in payloads]
        for member in members:
            for frame in frames:
                left = frame
                while left:
                    try:
                        left = left[member.send(left) :]
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(member)

    def close() -> None:
        for member in members:
            member.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        yield Room(listener.getsockname()[1], send, lambda: len(members), close)
        nursery.cancel_scope.cancel()
    listener.close()


@asynccontextmanager
async def open_quart() -> AsyncIterator[Room]:
    """Quart's own way, on Hypercorn as it comes."""
    members: list[Websocket] = []
    over = trio.Event()
    app = QuartTrio(__name__)

    @app.websocket("/ws")
    async def join() -> None:
        await websocket.accept()
        members.append(websocket._get_current_object())  # type: ignore[attr-defined]  # a proxy
        await over.wait()

    async def send(payloads: tuple[bytes, ...]) -> None:
        texts = [payload.decode() for payload in payloads]
        for member in members:
            for text in texts:
                await member.send(text)

    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[list[str]]) -> None:
            await serve_as_it_comes(
                app,
                _config(),
                shutdown_trigger=stop.wait,
                task_status=task_status,
            )

        urls: list[str] = await nursery.start(run)
        yield Room(_port(urls[0]), send, lambda: len(members), over.set)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_transport() -> AsyncIterator[Room]:
    """Ready frames through this server's transport."""
    members: list[Transport] = []
    over = trio.Event()
    app = QuartTrio(__name__)

    @app.websocket("/ws")
    async def join() -> None:
        await websocket.accept()
        transport = current_transport()
        members.append(transport)
        await over.wait()
        await transport.wait_drained()
        transport.abort()

    async def send(payloads: tuple[bytes, ...]) -> None:
        for member in members:
            while not member.send_nowait(payloads):
                await member.wait_drained()

    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[Listening]) -> None:
            await serve(app, _config(), shutdown=stop, task_status=task_status)

        listening: Listening = await nursery.start(run)
        yield Room(_port(listening.url), send, lambda: len(members), over.set)
        stop.set()


WAYS: Final[dict[str, Open]] = {
    "quart": open_quart,
    "bare": open_bare,
    "transport": open_transport,
}


def _config() -> Config:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.backlog = 1000
    config.errorlog = None
    return config


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
