"""Hypercorn's HTTP/2 with its mends.

- Requests without a path or method reset their stream, not the connection.
- Buffers are bounded: Hypercorn's let a writer go on whenever a client's window is closed, so
  that a client that reads nothing made the server keep whole responses.
- A stream whose reader takes nothing for ``send_stall_seconds`` is reset.
- The end of a stream is shielded, for the reason given in ``aeon.net.hypercorn``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import h2.errors
import h2.events
import h2.exceptions
import trio
from hypercorn.protocol.h2 import (
    BUFFER_HIGH_WATER,
    BUFFER_LOW_WATER,
    BufferCompleteError,
    H2Protocol,
    StreamBuffer,
)
from hypercorn.utils import filter_pseudo_headers
from priority.priority import DuplicateStreamError

from aeon.net.hypercorn import (
    RECYCLE_SECONDS,
    Body,
    Data,
    Event,
    Host,
    Request,
    StreamClosed,
    options_of,
)


class BoundedBuffer(StreamBuffer):
    """What waits for one HTTP/2 client's window, at most ``BUFFER_HIGH_WATER`` and one write."""

    async def push(self, data: bytes) -> None:
        """Add data; wait while there is more than the client takes."""
        if self._complete:
            raise BufferCompleteError
        self.buffer.extend(data)
        await self._is_empty.clear()
        while len(self.buffer) >= BUFFER_HIGH_WATER and not self._complete:
            await self._paused.clear()
            await self._paused.wait()

    async def pop(self, max_length: int) -> bytes:
        """Take what the client's window has room for."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[: len(data)]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


class Http2(H2Protocol):
    """HTTP/2, WebSockets by extended CONNECT included."""

    def __init__(self, host: Host, *args: Any) -> None:
        super().__init__(*args)
        self._host = host

    async def stream_send(self, event: Event) -> None:
        """Send one event of a stream; the end of a stream is not cut short by cancellation."""
        if isinstance(event, StreamClosed):
            with trio.move_on_after(RECYCLE_SECONDS, shield=True):
                await super().stream_send(event)
        elif isinstance(event, (Body, Data)) and len(event.data) > BUFFER_HIGH_WATER:
            for start in range(0, len(event.data), BUFFER_HIGH_WATER):
                piece = event.data[start : start + BUFFER_HIGH_WATER]
                await self._send_in_time(replace(event, data=piece))
        else:
            await self._send_in_time(event)

    async def _send_in_time(self, event: Event) -> None:
        with trio.move_on_after(self._host.limits.send_stall_seconds) as patience:
            await super().stream_send(event)
        if patience.cancelled_caught:
            with suppress(h2.exceptions.ProtocolError):
                self.connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.CANCEL)
                await self._flush()
            if event.stream_id in self.stream_buffers:
                await self.stream_buffers[event.stream_id].close()
            await self._close_stream(event.stream_id)

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        stream_id = request.stream_id
        pseudo = {name: value for name, value in request.headers if name.startswith(b":")}
        method = pseudo.get(b":method", b"").decode("latin1").upper()
        path = pseudo.get(b":path", b"")
        is_websocket = method == "CONNECT"
        if not path or (is_websocket and pseudo.get(b":protocol") != b"websocket"):
            self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            return
        stream = self._host.make_stream(options_of(self, stream_id), is_websocket=is_websocket)
        self.streams[stream_id] = stream
        self.stream_buffers[stream_id] = BoundedBuffer(self.context.event_class)
        try:
            self.priority.insert_stream(stream_id)
        except DuplicateStreamError:
            pass  # PRIORITY came before HEADERS.
        else:
            self.priority.block(stream_id)
        self.keep_alive_requests += 1
        await stream.handle(
            Request(
                stream_id=stream_id,
                headers=filter_pseudo_headers(request.headers),
                http_version="2",
                method=method,
                raw_path=path,
                state=self.connection_state,
            )
        )
        await self.context.mark_request()
