"""A man in the middle between one node and Redis: delays, reorders, loses, cuts.

What a subscriber is pushed comes as whole RESP values, so those, and only those, can change
places or vanish: an answer to a command that did would be an error no real network makes.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

_CHUNK_BYTES: Final = 64 * 1024
_KINDS: Final = (b"message", b"pmessage", b"smessage")


@dataclass(slots=True)
class Weather:
    """What the connection is like now; changes take effect at once."""

    delay_seconds: float = 0.0
    """Most that a push waits; how long is drawn for each."""
    reordered: float = 0.0
    """Share of pushes that change places with the next one."""
    doubled: float = 0.0
    """Share of pushes that come twice."""
    lost: float = 0.0
    """Share of pushes that never come."""
    is_cut: bool = False
    """Nothing passes in either direction, connections stay open."""


class BusProxy:
    """Listens on a port of its own and forwards to Redis."""

    def __init__(self, redis_port: int, chance: random.Random) -> None:
        self._redis_port = redis_port
        self._chance = chance
        self._calm = trio.Event()
        self._calm.set()
        self._open: set[trio.CancelScope] = set()
        self.weather = Weather()
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Forward for the length of the block."""
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, host="127.0.0.1")
            listeners = await nursery.start(serve, self._forward, 0)
            self.port = int(listeners[0].socket.getsockname()[1])
            yield
            nursery.cancel_scope.cancel()

    def change(self, weather: Weather) -> None:
        """Let the weather be this from now on."""
        self.weather = weather
        if weather.is_cut:
            self._calm = trio.Event()
        else:
            self._calm.set()

    def hang_up(self) -> None:
        """Break every connection that is open now."""
        for scope in tuple(self._open):
            scope.cancel()

    async def _forward(self, client: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                server = await trio.open_tcp_stream("127.0.0.1", self._redis_port)
            except OSError:
                self._open.discard(scope)
                return
            try:
                async with server, trio.open_nursery() as nursery:
                    nursery.start_soon(self._requests, client, server, scope)
                    nursery.start_soon(self._replies, server, client, scope)
            finally:
                self._open.discard(scope)

    async def _requests(
        self, client: trio.SocketStream, server: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for data in client:
                await self._calm.wait()
                await server.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one side is gone: so is the other, below
        scope.cancel()

    async def _replies(
        self, server: trio.SocketStream, client: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        values = Values()
        try:
            async for data in server:
                out = self.blown(values.feed(data))
                if self.weather.delay_seconds and any(is_push(value) for value in out):
                    await trio.sleep(self._chance.uniform(0, self.weather.delay_seconds))
                await self._calm.wait()
                await client.send_all(b"".join(out))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # as above
        scope.cancel()

    def blown(self, values: list[bytes]) -> list[bytes]:
        """Do to the pushes what the weather does."""
        weather, chance, out = self.weather, self._chance, list[bytes]()
        for value in values:
            if not is_push(value):
                out.append(value)
            elif chance.random() < weather.lost:
                continue
            elif out and is_push(out[-1]) and chance.random() < weather.reordered:
                out.insert(-1, value)
            else:
                out += [value] * (2 if chance.random() < weather.doubled else 1)
        return out


def is_push(value: bytes) -> bool:
    """Tell whether a RESP value is a message of a subscription."""
    if value[:1] not in (b"*", b">"):
        return False
    kind = value.split(b"\r\n", 3)[2:3]
    return kind[0] in _KINDS if kind else False


class Values:
    """Cuts a stream of RESP into whole values, each as the bytes it came in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes | bytearray) -> list[bytes]:
        """Take what arrived; returns the values that are whole now."""
        self._rest += data
        values = []
        start = 0
        while (end := _end_of_value(self._rest, start)) is not None:
            values.append(self._rest[start:end])
            start = end
        self._rest = self._rest[start:]
        return values


def _end_of_value(data: bytes, start: int) -> int | None:
    """Find where the value that begins here ends; None if that has not arrived."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, number = data[start : start + 1], data[start + 1 : line_end]
    end = line_end + 2
    if kind in (b"$", b"=", b"!"):
        if number == b"-1":
            return end
        end += int(number) + 2
        return end if end <= len(data) else None
    if kind in (b"*", b">", b"~", b"%"):
        items = max(0, int(number)) * (2 if kind == b"%" else 1)
        position: int | None = end
        for _ in range(items):
            assert position is not None
            position = _end_of_value(data, position)
            if position is None:
                return None
        return position
    return end
