"""Request bodies with backpressure: what the handler has not read stays with the sender.

Quart gathers whatever arrives, up to the whole body. Here its connection waits until the handler
has taken what is there; the server's queue, then TCP, hold the rest back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, Final, cast

import trio
from hypercorn.typing import ASGIReceiveCallable
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody
from werkzeug.exceptions import RequestEntityTooLarge

HIGH_WATER_BYTES: Final = 64 * 1024
STREAMING_PATHS: Final = ("/api/v1/messages/upload-media", "/api/v1/uploads")
"""Bodies of these are read as they arrive; their handlers bound them by themselves."""


class FlowBody(TrioBody):
    """A body that can make its sender wait."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_awaited_whole = False
        self._taken = trio.Event()

    async def __anext__(self) -> bytes:
        if self._must_raise is not None:
            raise self._must_raise
        if not self._chunks:
            if not self._complete.is_set():
                await self._has_data.wait()
            if not self._chunks:
                raise StopAsyncIteration
        data = self._chunks.popleft()
        self._waiting_bytes -= len(data)
        if not self._chunks:
            self._has_data.clear()
        self._taken.set()
        return data

    def __await__(self) -> Generator[Any, None, Any]:
        self._is_awaited_whole = True
        self._taken.set()
        if self._must_raise is not None:
            raise self._must_raise
        yield from self._complete.wait().__await__()
        if self._must_raise is not None:
            raise self._must_raise
        return b"".join(self._chunks)

    def append(self, data: bytes) -> None:
        """Take the next bytes from the server."""
        if not data or self._must_raise is not None:
            return
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self._has_data.set()
        if self._max_content_length is not None and self._waiting_bytes > self._max_content_length:
            self._must_raise = RequestEntityTooLarge()
            self.set_complete()

    def clear(self) -> None:
        """Let the bytes go."""
        self._chunks.clear()
        self._waiting_bytes = 0

    async def wait_room(self) -> None:
        """Wait until less than ``HIGH_WATER_BYTES`` are untaken."""
        while (
            self._waiting_bytes >= HIGH_WATER_BYTES
            and not self._is_awaited_whole
            and self._must_raise is None
        ):
            self._taken = trio.Event()
            await self._taken.wait()


class FlowRequest(TrioRequest):
    """A request with such a body; without a bound where the handler reads it in a stream."""

    body_class = FlowBody

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **kwargs: Any) -> None:
        if path.startswith(STREAMING_PATHS):
            kwargs["max_content_length"] = None
        super().__init__(method, scheme, path, *args, **kwargs)


class FlowHTTPConnection(TrioASGIHTTPConnection):
    """Moves a body from the server to the request no faster than it is read."""

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, request: FlowRequest, receive: ASGIReceiveCallable
    ) -> None:
        """Run until the client goes away, then cancel the handler."""
        body = cast("FlowBody", request.body)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            if message["type"] == "http.request":
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body.set_complete()
                else:
                    await body.wait_room()
        nursery.cancel_scope.cancel()
