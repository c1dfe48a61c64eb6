"""HTTP/2 on Hypercorn's protocol, with the mends of what 0.18 lacks.

- A request without a path or method, or of an illegible handshake, resets its stream, not the
  connection.
- What waits for a stream's window is bounded; a reader that takes nothing is reset.
- A client may reset so many streams and no more.
- Data of a stream that was answered already is dropped, and its sender told: it ended the
  connection.
- Priorities are ignored, as RFC 9113 lets us: Hypercorn kept each stream that a frame named, and
  failed at the thousandth.
- A connection takes any number of requests: the one at Hypercorn's limit was never answered.
- The end of a stream is not cut short by cancellation.
- A request's body that stalls or trickles resets its stream.
- A connection is idle again when its client has reset the last stream.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import h2.errors
import h2.events
import h2.exceptions
import trio

from aeon.net.bodies import Bodies
from aeon.net.hypercorn import (
    RECYCLE_SECONDS,
    Body,
    Closed,
    ConnectionEvent,
    Data,
    Event,
    H2Protocol,
    Host,
    HttpRequest,
    Request,
    StreamClosed,
    Updated,
    filter_pseudo_headers,
    options_of,
)
from aeon.net.requests import is_handshake_legible, path_of
from aeon.net.stream_buffer import HIGH_WATER_BYTES, StreamBuffer, StreamBufferClosed


class Http2(H2Protocol):
    """HTTP/2, WebSockets by extended CONNECT included."""

    def __init__(self, host: Host, *args: Any) -> None:
        super().__init__(*args)
        self._host = host
        self._resets = 0
        self._bodies = Bodies(host.limits)
        self._is_watching = False
        self._is_handling = False
        self._ended = trio.Event()

    @property
    def is_within_head(self) -> bool:
        """A frame or a request's head has begun to arrive, and its rest has not."""
        buffer = self.connection.incoming_buffer
        return bool(buffer._data or buffer._headers_buffer)

    async def handle(self, event: ConnectionEvent) -> None:
        """Handle one event of the connection."""
        if isinstance(event, Closed):
            self._ended.set()
        self._is_handling, begun = True, trio.current_time()
        await super().handle(event)
        self._is_handling = False
        self._bodies.excuse(trio.current_time() - begun)
        if self._bodies and not self._is_watching and not self.closed:
            self._is_watching = True
            self.task_group.spawn(self._watch_bodies)

    async def stream_send(self, event: Event) -> None:
        """Send one event of a stream; the end of a stream is not cut short by cancellation."""
        if isinstance(event, StreamClosed):
            with trio.move_on_after(RECYCLE_SECONDS, shield=True):
                await super().stream_send(event)
        elif isinstance(event, (Body, Data)) and len(event.data) > HIGH_WATER_BYTES:
            for start in range(0, len(event.data), HIGH_WATER_BYTES):
                piece = event.data[start : start + HIGH_WATER_BYTES]
                await self._send_in_time(replace(event, data=piece))
        else:
            await self._send_in_time(event)

    async def _send_in_time(self, event: Event) -> None:
        with (
            suppress(StreamBufferClosed),
            trio.move_on_after(self._host.limits.send_stall_seconds) as patience,
        ):
            await super().stream_send(event)
        if patience.cancelled_caught:
            await self._cut_off(event.stream_id)

    async def _cut_off(self, stream_id: int) -> None:
        with suppress(h2.exceptions.ProtocolError):
            self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
            await self._flush()
        if stream_id in self.stream_buffers:
            await self.stream_buffers[stream_id].close()
        await self._close_stream(stream_id)
        await self._window_updated(stream_id)  # Wakes the sender, which forgets its buffer.
        await self.send(Updated(idle=self.idle))

    async def _watch_bodies(self) -> None:
        while self._bodies and not self._ended.is_set():
            due = self._bodies.due()
            if self._is_handling:
                due = trio.current_time() + self._host.limits.body_stall_seconds
            with trio.move_on_at(due):
                await self._ended.wait()
            if not self._is_handling and not self._ended.is_set():
                for stream_id in self._bodies.overdue():
                    self._host.timed_out()
                    await self._cut_off(stream_id)
        self._is_watching = False

    async def _close_stream(self, stream_id: int) -> None:
        self._bodies.forget(stream_id)
        await super()._close_stream(stream_id)

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        self._resets += sum(isinstance(event, h2.events.StreamReset) for event in events)
        if self._resets > self._host.limits.max_stream_resets:
            # Before any of them costs an application task: opening and resetting is the attack.
            self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            await self._flush()
            await self.send(Closed())
            return
        for event in events:
            if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                await self._drop_data(event)
                continue
            await super()._handle_events([event])
            self._note_body(event)
            if isinstance(event, h2.events.StreamReset):
                await self.send(Updated(idle=self.idle))

    def _note_body(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            stream = self.streams.get(event.stream_id)
            if event.stream_ended is None and isinstance(stream, HttpRequest):
                self._bodies.expect(event.stream_id)
        elif isinstance(event, h2.events.DataReceived):
            self._bodies.arrived(event.stream_id, len(event.data))
        elif isinstance(event, h2.events.StreamEnded):
            self._bodies.forget(event.stream_id)

    async def _drop_data(self, event: h2.events.DataReceived) -> None:
        stream_id = event.stream_id
        self.connection.acknowledge_received_data(event.flow_controlled_length, stream_id)
        if stream_id not in self.stream_buffers:  # The answer has left to its end.
            with suppress(h2.exceptions.ProtocolError):  # Or the client's last word was this.
                self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
        await self._flush()

    async def _priority_updated(self, _event: h2.events.PriorityUpdated) -> None:
        pass

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        stream_id = request.stream_id
        pseudo = {name: value for name, value in request.headers if name.startswith(b":")}
        method = pseudo.get(b":method", b"").decode("latin1").upper()
        path = path_of(pseudo.get(b":path", b""))
        is_websocket = method == "CONNECT"
        is_known = not is_websocket or pseudo.get(b":protocol") == b"websocket"
        if path is None or not is_known or not is_handshake_legible(request.headers):
            self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            return
        stream = self._host.make_stream(options_of(self, stream_id), is_websocket=is_websocket)
        self.streams[stream_id] = stream
        self.stream_buffers[stream_id] = StreamBuffer()  # type: ignore[assignment]  # as its own
        self.priority.insert_stream(stream_id)
        self.priority.block(stream_id)
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
