"""Request bodies with backpressure: what the handler has not read stays with the sender.

Quart gathers whatever arrives in memory, up to the whole body. Where a handler reads the body as
it arrives, this connection hands it the server's own events instead: an unread body fills the
server's short queue, then TCP, and nothing else. Other bodies are small and stay Quart's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, NoReturn

import trio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_FORM_PATH: Final = "/api/v1/messages/upload-media"
_PIECES_PATH: Final = "/api/v1/uploads"


class PulledBody(TrioBody):
    """A body that is read from the server piece by piece, by ``async for`` only."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self._receive: Receive | None = None
        self.ended = trio.Event()
        """Nothing more is to be received: it is complete, or the client is gone."""
        self.is_cut_off = False
        """The client went away in the middle."""

    def pull_from(self, receive: Receive) -> None:
        """Say where the pieces come from."""
        self._receive = receive

    async def __anext__(self) -> bytes:
        while not self.ended.is_set():
            assert self._receive is not None, "the connection sets it before the handler runs"
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.is_cut_off = True
                self.ended.set()
                # The connection cancels this handler.
                await trio.sleep_forever()
            elif message["type"] == "http.request":
                if not message["more_body"]:
                    self.ended.set()
                if message["body"]:
                    body: bytes = message["body"]
                    return body
        raise StopAsyncIteration

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise TypeError("this body is read by async for")


class StreamingRequest(TrioRequest):
    """A request whose body is pulled where its handler reads it as it arrives."""

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(method, scheme, path, *args, **kwargs)
        if _is_streamed(method, path):
            self.body = PulledBody()


def _is_streamed(method: str, path: str) -> bool:
    """Whether the handler reads as it arrives, and bounds by itself what it reads.

    PUT on the form's path is no upload: it names a message, badly, and brings ordinary JSON.
    """
    if method == "POST" and path.removesuffix("/") == _FORM_PATH:
        return True
    return path == _PIECES_PATH or path.startswith(f"{_PIECES_PATH}/")


class StreamingHTTPConnection(TrioASGIHTTPConnection):
    """Quart-Trio's connection, but for pulled bodies."""

    async def __call__(self, receive: Receive, send: Send) -> None:
        """Run the handler, and cancel it when the client goes away."""
        request = self._create_request_from_scope(send)
        if isinstance(request.body, PulledBody):
            request.body.pull_from(receive)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages, nursery, request, receive)
            nursery.start_soon(self.handle_request, nursery, request, send)

    async def handle_messages(  # type: ignore[override] # as Quart-Trio's own
        self,
        nursery: trio.Nursery,
        request: Any,  # Quart-Trio's own type, which its base contradicts
        receive: Receive,
    ) -> None:
        """Watch for the client's leaving; behind a pulled body, once that has ended."""
        if isinstance(request.body, PulledBody):
            await request.body.ended.wait()
            if request.body.is_cut_off:
                nursery.cancel_scope.cancel()
                return
        await super().handle_messages(nursery, request, receive)
