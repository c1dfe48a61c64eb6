"""One WebSocket of this server: Hypercorn's handshake and ASGI side, our framing and transport.

Life: the handshake is given to the application; once it accepts, inbound bytes go through
``FrameReader`` to the application's queue, and everything outbound (its ``websocket.send``, the
transport's frames, pongs, pings, the close frame) through one ``Output``. A close from either
side, a broken rule, or the application's end leads to one closing: our close frame behind what
is pending, then up to ``close_seconds`` for the peer's, then the connection hangs up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import trio

from aeon.net import frames
from aeon.net.hypercorn import (
    ASGISendEvent,
    StreamOptions,
    WebsocketAcceptEvent,
    WebSocketStream,
)
from aeon.net.limits import NetLimits
from aeon.net.output import Chunk, Output, joined
from aeon.net.transport import WireTransport, handling

ABNORMAL: Final = 1006
INTERNAL: Final = 1011
MAX_PIECE_BYTES: Final = 16 * 1024
"""Handed to a stream of HTTP/2 at a time."""
MAX_WAITING_PONGS: Final = 4
"""Pings answered behind what a slow reader has not taken yet."""


class Carrier(Protocol):
    """What a WebSocket needs of the connection that carries it."""

    limits: NetLimits

    def own_output(self) -> Output | None:
        """Give the connection's output, where the WebSocket has the connection to itself."""
        ...

    def hang_up_by(self, seconds: float) -> None:
        """Stop reading in this many seconds at the latest."""
        ...

    def websocket_opened(self, websocket: WebSocket) -> None:
        """Count it, and ping it from now on."""
        ...

    def websocket_closed(self, websocket: WebSocket) -> None:
        """Forget it."""
        ...


class WebSocket(WebSocketStream):
    """One WebSocket, from its handshake to its end."""

    def __init__(self, options: StreamOptions, carrier: Carrier) -> None:
        super().__init__(*options)
        limits = carrier.limits
        self._carrier = carrier
        self._reader: frames.FrameReader | None = None
        self._told_app = False
        self._is_over = False
        self.is_reading = True
        """False while the application takes nothing: then no pong can be seen either."""
        self.awaited_pong: bytes | None = None
        self._waiting_pongs = 0
        self._last_pong_ends = 0
        output = carrier.own_output()
        self._owns_connection = output is not None
        self.output = output or Output(
            self._send_piece,
            spawn=self.spawn,
            on_broken=self._on_stream_broken,
            stall_seconds=limits.send_stall_seconds,
        )
        self.transport = WireTransport(
            self.output,
            begin_close=self._begin_close,
            kind="direct" if self.output.is_direct else "flushed",
            max_pending_frames=limits.max_pending_frames,
            max_pending_bytes=limits.max_pending_bytes,
        )

    async def start(self, request: Any) -> None:
        """Give the handshake to the application, with our transport as the current one."""
        with handling(self.transport):
            await super().start(request)

    async def bytes_received(self, data: bytes) -> None:
        """Take frames, or what came too early to be any."""
        if self._reader is not None:
            await self._receive(self._reader, data)
        elif self.awaits_answer and not self._is_over:
            await self._refuse_early_data()

    async def peer_ended(self) -> None:
        """End it: an HTTP/2 client has hung up."""
        await self._finish()

    async def connection_lost(self) -> None:
        """End it: nothing goes in or out any more."""
        if not self._is_over:
            self.drop()
            await self._tell_app(ABNORMAL)

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Take one message of the application; None when it has returned."""
        if self.is_refused or self._is_over:
            return  # It may finish in peace.
        if not self.is_open:
            await self.answer_handshake(message)
        elif message is None:
            self.transport.close_nowait(INTERNAL)
        elif message["type"] == "websocket.send":
            await self._app_frame(message.get("bytes"), message.get("text"))
        elif message["type"] == "websocket.close":
            self.transport.close_nowait(int(message.get("code", 1000)), message.get("reason") or "")
        else:
            await self.answer_handshake(message)

    def ping(self, payload: bytes) -> None:
        """Send a ping and remember which pong has to come."""
        self.awaited_pong = payload
        self.output.write(frames.frame(frames.PING, payload))

    def drop(self) -> None:
        """Nothing goes in or out any more; whoever waits for that is woken. Idempotent."""
        if self._is_over:
            return
        self._is_over = True
        self._reader = None
        self.transport.end()
        self._carrier.websocket_closed(self)
        if not self._owns_connection:
            self.output.break_off()

    async def accepted(self, message: WebsocketAcceptEvent) -> None:
        """Open it: the application has accepted the handshake."""
        limits = self._carrier.limits
        response, deflate = self.accept(message, may_deflate=limits.permessage_deflate)
        self._reader = frames.FrameReader(limits.max_frame_bytes, deflate=deflate)
        # Counted before the first checkpoint: from there on the connection may end.
        self._carrier.websocket_opened(self)
        await self.send(response)
        await self.log_access(response.status_code)

    async def _app_frame(self, data: bytes | None, text: str | None) -> None:
        if self.transport.is_closing:
            return
        if data is not None:
            self.output.write(frames.frame(frames.BINARY, bytes(data)), 1)
        elif isinstance(text, str):
            self.output.write(frames.frame(frames.TEXT, text.encode()), 1)
        else:
            raise TypeError("websocket.send needs bytes or text")
        await self.output.wait_below(self._carrier.limits.max_pending_bytes // 2)

    async def _receive(self, reader: frames.FrameReader, data: bytes) -> None:
        try:
            for event in reader.receive(data):
                if isinstance(event, frames.Message):
                    await self._message(event.data)
                elif isinstance(event, frames.Ping):
                    self._pong(event.payload)
                elif isinstance(event, frames.Pong):
                    if event.payload == self.awaited_pong:
                        self.awaited_pong = None
                else:
                    await self._peer_closes(event)
                    return
        except frames.FrameError as error:
            self._reader = None
            # Nothing of the peer can be understood any more, an answer to our close included.
            self.transport.close_nowait(error.code, error.reason)
            await self._tell_app(error.code)
            await self._finish()

    async def _message(self, data: str | bytes) -> None:
        if self.transport.is_closing:
            return
        is_text = isinstance(data, str)
        # Quart takes an empty binary frame for no frame, unless it stands where text stands.
        in_text = is_text or not data
        self.is_reading = False
        await self._hand_over(
            {
                "type": "websocket.receive",
                "bytes": None if in_text else data,
                "text": data if in_text else None,
            }
        )
        self.is_reading = True

    async def _hand_over(self, event: dict[str, object]) -> None:
        """Wait until the application takes it, as long as it writes: it may be in a replay."""
        written = -1
        while self.output.bytes_written > written:
            written = self.output.bytes_written
            with trio.move_on_after(self._carrier.limits.app_stall_seconds) as patience:
                await self.tell(event)
            if not patience.cancelled_caught:
                return
        self.transport.close_nowait(INTERNAL, "stalled")

    def _pong(self, payload: bytes) -> None:
        # Behind a backlog too: clients' libraries hang up on a ping that stays unanswered. But
        # a peer that pings and does not read must not fill our memory, and RFC 6455 allows
        # leaving pings unanswered.
        output = self.output
        if output.bytes_written >= self._last_pong_ends:
            self._waiting_pongs = 0
        if self.transport.is_closing or self._waiting_pongs == MAX_WAITING_PONGS:
            return
        output.write(frames.frame(frames.PONG, payload))
        self._waiting_pongs += 1
        self._last_pong_ends = output.bytes_written + output.pending_bytes

    async def _peer_closes(self, event: frames.Close) -> None:
        self._reader = None
        if not self.transport.is_closing:
            self.transport.is_closing = True
            code = 1000 if event.code == 1005 else event.code
            self.output.write(frames.close_frame(code))
        await self._tell_app(event.code)
        await self._finish()

    async def _refuse_early_data(self) -> None:
        """Refuse what came before the handshake was answered; a client has to wait for it."""
        self.transport.end()  # The application may take it for open, and must not write frames.
        await self.refuse(400)
        await self._tell_app(ABNORMAL)
        await self.end_stream()

    def _begin_close(self, code: int, reason: str) -> None:
        self.output.write(frames.close_frame(code, reason))
        if self._owns_connection:
            self._carrier.hang_up_by(self._carrier.limits.close_seconds)
        else:
            self._spawn_if_open(self._finish_in_time)

    async def _finish_in_time(self) -> None:
        with trio.move_on_after(self._carrier.limits.close_seconds):
            await self.transport.wait_closed()
        await self._finish()

    async def _finish(self) -> None:
        """Both sides are done: end the stream below, which ends us."""
        if self._is_over:
            return
        if not self._owns_connection:
            with trio.move_on_after(self._carrier.limits.linger_seconds):
                await self.output.wait_below(0)
                await self.end_sending()
        await self.end_stream()

    async def _tell_app(self, code: int) -> None:
        if not self._told_app:
            self._told_app = True
            await self.tell({"type": "websocket.disconnect", "code": code})

    async def _send_piece(self, chunks: list[Chunk]) -> int:
        piece = bytes(joined(chunks)[:MAX_PIECE_BYTES])
        await self.send_bytes(piece)
        return len(piece)

    def _on_stream_broken(self) -> None:
        if not self._is_over:
            self._spawn_if_open(self._finish)

    def _spawn_if_open(self, action: Callable[[], Awaitable[None]]) -> None:
        with suppress(RuntimeError):  # The connection has just ended, and we end with it.
            self.spawn(action)
