"""The transport under any other ASGI server on Trio: the ordinary way.

``TransportMiddleware`` gives each WebSocket a ``Transport`` whose output ends in
``websocket.send``, one message after the other, written by a task that lives while something
waits. Under Aeon's own server it steps aside: that one has set a better transport already.
What the application sends by itself keeps its place among the transport's messages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import trio

from aeon.net.limits import NetLimits
from aeon.net.output import Chunk, Output
from aeon.net.tasks import OWN_TRANSPORT
from aeon.net.transport import Transport, handling

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class TransportMiddleware:
    """An ASGI application that gives the one inside it transports."""

    def __init__(self, app: Application, limits: NetLimits | None = None) -> None:
        self._app = app
        self._limits = limits or NetLimits()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope."""
        if scope["type"] != "websocket" or OWN_TRANSPORT in (scope.get("extensions") or {}):
            await self._app(scope, receive, send)
            return
        async with trio.open_nursery() as nursery:
            socket = _Socket(send, nursery, self._limits)
            try:
                with handling(socket.transport):
                    await self._app(scope, socket.receiver(receive), socket.send)
                await socket.finish()
            finally:
                socket.transport.end()
                nursery.cancel_scope.cancel(reason="the application has returned")


class AsgiTransport(Transport):
    """A transport that hands messages to an ASGI server one by one."""

    __slots__ = ("_begin_close",)

    def __init__(
        self, output: Output, *, begin_close: Callable[[int, str], None], limits: NetLimits
    ) -> None:
        super().__init__(
            output,
            max_pending_frames=limits.max_pending_frames,
            max_pending_bytes=limits.max_pending_bytes,
        )
        self._begin_close = begin_close

    @property
    def kind(self) -> str:
        """How it writes, for statistics."""
        return "asgi"

    def _write(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self._output.write(payload, 1)

    def _start_close(self, code: int, reason: str) -> None:
        self._begin_close(code, reason)


class _Socket:
    """One WebSocket of a foreign server."""

    def __init__(self, send: Send, nursery: trio.Nursery, limits: NetLimits) -> None:
        self._asgi_send = send
        self._nursery = nursery
        self._limits = limits
        self._lock = trio.Lock()
        self._has_closed = False
        self._output = Output(
            self._send_payloads,
            spawn=nursery.start_soon,
            on_broken=self._on_broken,
            stall_seconds=limits.send_stall_seconds,
            splits=False,
        )
        self.transport = AsgiTransport(self._output, begin_close=self._begin_close, limits=limits)

    def receiver(self, receive: Receive) -> Receive:
        """Wrap ``receive``: Quart takes an empty binary frame for none."""

        async def wrapped() -> Message:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self._has_closed = True
                self.transport.end()
                self._output.break_off()
            elif event["type"] == "websocket.receive" and event.get("bytes") == b"":
                event["bytes"], event["text"] = None, b""
            return event

        return wrapped

    async def send(self, message: Message) -> None:
        """Send what the application sends by itself, behind what is pending."""
        if message["type"] == "websocket.close" and not self.transport.is_closing:
            self.transport.is_closing = True
            await self._drain()
            self._has_closed = True
        elif self.transport.is_closing and message["type"] != "websocket.http.response.body":
            return
        elif message["type"] == "websocket.send":
            await self._output.wait_below(0)
        async with self._lock:
            await self._asgi_send(message)

    async def finish(self) -> None:
        """Let what is pending leave before the server sees the application return."""
        if self.transport.is_closing and not self.transport.is_over:
            with trio.move_on_after(self._limits.close_seconds):
                await self.transport.wait_closed()
        await self._drain()

    async def _drain(self) -> None:
        with trio.move_on_after(self._limits.close_seconds):
            await self._output.wait_below(0)

    def _begin_close(self, code: int, reason: str) -> None:
        self._nursery.start_soon(self._close, code, reason)

    async def _close(self, code: int, reason: str) -> None:
        with trio.move_on_after(self._limits.close_seconds):
            await self._output.wait_below(0)
            if not self._has_closed:
                async with self._lock:
                    self._has_closed = True
                    message = {"type": "websocket.close", "code": code, "reason": reason}
                    await self._asgi_send(message)
        self.transport.end()

    async def _send_payloads(self, chunks: list[Chunk]) -> int:
        for chunk in chunks:
            async with self._lock:
                message = {"type": "websocket.send", "text": bytes(chunk).decode(), "bytes": None}
                await self._asgi_send(message)
        return sum(map(len, chunks))

    def _on_broken(self) -> None:
        self.transport.end()
        if not self._has_closed:
            self._nursery.cancel_scope.cancel(
                reason="the peer takes nothing, or abort() was called"
            )
