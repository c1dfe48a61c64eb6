"""A WebSocket connection of the load generator: callbacks in, unblocking sends out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import trio

from aeon.load import frames
from aeon.load.endpoint import Channel, Endpoint, connect
from aeon.load.poller import Poller

HANDSHAKE_SECONDS: Final = 15.0
ABNORMAL: Final = 1006
_MAX_HEAD_BYTES: Final = 64 * 1024


class Listener(Protocol):
    """Who gets what a connection receives."""

    def on_text(self, payload: bytes) -> None:
        """Take a text message."""

    def on_closed(self, code: int) -> None:
        """The connection is over; called once."""


class HandshakeFailed(Exception):
    """The server did not switch to WebSocket."""


class WebSocket:
    """An open connection."""

    def __init__(
        self,
        channel: Channel,
        poller: Poller,
        listener: Listener,
        on_traffic: Callable[[int], None],
    ) -> None:
        self._channel = channel
        self._poller = poller
        self._listener = listener
        self._on_traffic = on_traffic
        self._reader = frames.FrameReader()
        self._unsent = bytearray()
        self._code = ABNORMAL
        self.is_open = True

    def start(self, received: bytes) -> None:
        """Begin to read; ``received`` came together with the handshake's answer."""
        self._poller.add(self._channel, self._on_ready)
        if received:
            self._take(received)

    def send(self, text: bytes) -> None:
        """Send a text message; what does not fit the socket is sent when it does."""
        self._write(frames.encode_frame(frames.TEXT, text))

    def send_close(self, code: int = 1000) -> None:
        """Begin the closing handshake; ``on_closed`` comes when the server is through."""
        self._write(frames.encode_close(code))

    def abort(self) -> None:
        """Reset the connection, without a word to the server."""
        self._end(abruptly=True)

    def _write(self, data: bytes) -> None:
        if not self.is_open:
            return
        if self._unsent:
            self._unsent += data
            return
        try:
            written = self._channel.write_now(data)
        except OSError:
            self._end()
            return
        if written < len(data):
            self._unsent += data[written:]
            self._poller.want_write(self._channel, True)

    def _on_ready(self, readable: bool, writable: bool) -> None:
        if writable and self._unsent:
            self._flush()
        if readable and self.is_open:
            self._read()

    def _flush(self) -> None:
        try:
            written = self._channel.write_now(bytes(self._unsent))
        except OSError:
            self._end()
            return
        del self._unsent[:written]
        if not self._unsent:
            self._poller.want_write(self._channel, False)

    def _read(self) -> None:
        # TLS may hold decrypted bytes that no selector sees: read until there are none.
        while self.is_open:
            try:
                data = self._channel.read_now()
            except OSError:
                self._end()
                return
            if data is None:
                return
            if not data:
                self._end()
                return
            self._take(data)
            if len(data) < 65536:
                return

    def _take(self, data: bytes) -> None:
        self._on_traffic(len(data))
        try:
            messages = self._reader.feed(data)
        except frames.BadFrame:
            self._code = 1002
            self._end(abruptly=True)
            return
        for opcode, payload in messages:
            if opcode == frames.TEXT:
                self._listener.on_text(payload)
            elif opcode == frames.PING:
                self._write(frames.encode_frame(frames.PONG, payload))
            elif opcode == frames.CLOSE:
                self._code = frames.close_code(payload)
                self._write(frames.encode_close(1000))
                self._end()
                return

    def _end(self, *, abruptly: bool = False) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._poller.remove(self._channel)
        self._channel.close(abruptly=abruptly)
        self._listener.on_closed(self._code)


async def open_websocket(
    endpoint: Endpoint,
    poller: Poller,
    listener: Listener,
    *,
    path: str,
    on_traffic: Callable[[int], None] = lambda _: None,
) -> WebSocket:
    """Connect and shake hands.

    Raises:
        OSError: the server can not be reached.
        HandshakeFailed: it answered something else.
    """
    channel = await connect(endpoint)
    try:
        with trio.fail_after(HANDSHAKE_SECONDS):
            rest = await _shake_hands(channel, endpoint, path)
    except trio.TooSlowError:
        channel.close(abruptly=True)
        raise HandshakeFailed(f"no answer to the handshake in {HANDSHAKE_SECONDS:g} s") from None
    except BaseException:
        channel.close(abruptly=True)
        raise
    websocket = WebSocket(channel, poller, listener, on_traffic)
    websocket.start(rest)
    return websocket


async def _shake_hands(channel: Channel, endpoint: Endpoint, path: str) -> bytes:
    """Switch protocols; returns bytes that came after the answer."""
    key = frames.new_handshake_key()
    await channel.write(
        (
            f"GET {endpoint.path}{path} HTTP/1.1\r\nHost: {endpoint.host_header}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()
    )
    received = b""
    while b"\r\n\r\n" not in received:
        data = await channel.read()
        if not data or len(received) > _MAX_HEAD_BYTES:
            raise HandshakeFailed("the server ended the handshake")
        received += data
    head, _, rest = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = lines[0].split(" ")[1:2]
    if status != ["101"]:
        raise HandshakeFailed(f"the server answered {lines[0][:100]!r}")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines[1:])
    }
    if fields.get("sec-websocket-accept") != frames.handshake_answer(key):
        raise HandshakeFailed("the server's answer belongs to another handshake")
    return rest
