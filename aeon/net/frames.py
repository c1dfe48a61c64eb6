"""RFC 6455 framing: frames out as ready bytes, frames in as checked messages. No I/O.

Server frames are not masked, so one encoded frame serves every receiver. Inbound, every rule
that a peer can break has its close code: 1002 protocol, 1007 text, 1009 size; size is judged by
the frame's header, before its payload is awaited.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_CONTINUATION: Final = 0x0

MAX_CONTROL_BYTES: Final = 125
_DEFLATE_TAIL: Final = b"\x00\x00\xff\xff"

PROTOCOL_ERROR: Final = 1002
BAD_TEXT: Final = 1007
TOO_BIG: Final = 1009

# Codes that may stand in a close frame: assigned ones, and the ranges for libraries and people.
_SENDABLE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})


class FrameError(Exception):
    """The peer broke the protocol; ``code`` is what its connection is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message, its fragments joined."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered by a pong with the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, or an unasked one."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer closes; ``code`` 1005 stands for none given."""

    code: int
    reason: str


Inbound = Message | Ping | Pong | Close


def frame(opcode: int, payload: bytes) -> bytes:
    """Encode one final, unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 0x10000:
        return bytes((0x80 | opcode, 126, size >> 8, size & 0xFF)) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def text_frames(payloads: Sequence[bytes]) -> bytes:
    """Encode several text messages into one run of bytes for one write."""
    if len(payloads) == 1:
        return frame(TEXT, payloads[0])
    return b"".join([frame(TEXT, payload) for payload in payloads])


def close_frame(code: int, reason: str = "") -> bytes:
    """Encode a close frame; a reason that is too long is cut between characters."""
    text = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + text)


class FrameReader:
    """Turns bytes from a client into whole messages and control frames.

    Rules: every frame is masked; control frames are short, whole, and may stand between
    fragments; no reserved bit without a negotiated extension.
    """

    __slots__ = ("_buffer", "_compressed", "_deflate", "_fragments", "_max", "_opcode", "_size")

    def __init__(self, max_message_bytes: int, *, deflate: bool = False) -> None:
        self._max = max_message_bytes
        self._deflate = deflate
        self._buffer = b""
        self._fragments = bytearray()
        self._opcode = 0
        self._size = 0
        self._compressed = False

    def receive(self, data: bytes) -> Iterator[Inbound]:
        """Take bytes in, give what became complete.

        Raises:
            FrameError: the peer broke the protocol; nothing further can be read.
        """
        buffer = self._buffer + data if self._buffer else data
        start = 0
        try:
            while True:
                header = self._header(buffer, start)
                if header is None:
                    return
                payload_at, size = header
                if len(buffer) < payload_at + size:
                    return
                first = buffer[start]
                payload = _unmask(buffer, payload_at, size)
                start = payload_at + size
                event = self._frame(first, payload)
                if event is not None:
                    yield event
        finally:
            self._buffer = buffer[start:] if start < len(buffer) else b""

    def _header(self, buffer: bytes, start: int) -> tuple[int, int] | None:
        """Check a frame's header: where its payload begins and how long it is, or None yet."""
        available = len(buffer) - start
        if available < 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        self._check_first(first)
        if not second & 0x80:
            raise FrameError(PROTOCOL_ERROR, "unmasked frame")
        size = second & 0x7F
        at = start + 2
        if first & 0x08:
            if size > MAX_CONTROL_BYTES or not first & 0x80:
                raise FrameError(PROTOCOL_ERROR, "control frame is long or fragmented")
        elif size >= 126:
            width = 2 if size == 126 else 8
            if available < 2 + width:
                return None
            size = int.from_bytes(buffer[at : at + width], "big")
            at += width
            if size < (126 if width == 2 else 0x10000):
                raise FrameError(PROTOCOL_ERROR, "length is not minimal")
        if not first & 0x08 and self._size + size > self._max:
            raise FrameError(TOO_BIG, "message too big")
        return at + 4, size

    def _check_first(self, first: int) -> None:
        opcode = first & 0x0F
        if opcode not in (_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise FrameError(PROTOCOL_ERROR, "unknown opcode")
        starts = opcode in (TEXT, BINARY)
        if first & 0x70 and not (first & 0x70 == 0x40 and starts and self._deflate):
            raise FrameError(PROTOCOL_ERROR, "reserved bit")
        if starts and self._opcode:
            raise FrameError(PROTOCOL_ERROR, "new message within a message")
        if opcode == _CONTINUATION and not self._opcode:
            raise FrameError(PROTOCOL_ERROR, "nothing to continue")

    def _frame(self, first: int, payload: bytes) -> Inbound | None:
        opcode = first & 0x0F
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        if opcode == CLOSE:
            return _close(payload)
        if opcode != _CONTINUATION:
            self._opcode = opcode
            self._compressed = bool(first & 0x40)
        self._size += len(payload)
        if not first & 0x80:
            self._fragments += payload
            return None
        if self._fragments:
            payload = bytes(self._fragments + payload)
            self._fragments = bytearray()
        opcode, compressed = self._opcode, self._compressed
        self._opcode, self._size, self._compressed = 0, 0, False
        if compressed:
            payload = self._inflate(payload)
        return Message(_text(payload)) if opcode == TEXT else Message(payload)

    def _inflate(self, payload: bytes) -> bytes:
        # Negotiated without context takeover: nothing stays allocated between messages.
        inflater = zlib.decompressobj(wbits=-15)
        try:
            data = inflater.decompress(payload + _DEFLATE_TAIL, self._max + 1)
        except zlib.error:
            raise FrameError(BAD_TEXT, "bad compressed data") from None
        if len(data) > self._max:
            raise FrameError(TOO_BIG, "message too big")
        return data


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(BAD_TEXT, "text is not UTF-8") from None


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(1005, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _SENDABLE_CODES or 3000 <= code < 5000):
        raise FrameError(PROTOCOL_ERROR, "bad close code")
    return Close(code, _text(payload[2:]))


def _unmask(buffer: bytes, payload_at: int, size: int) -> bytes:
    if not size:
        return b""
    key = buffer[payload_at - 4 : payload_at]
    mask = (key * (size // 4 + 1))[:size]
    # One XOR of big integers: about 1 us for a chat message.
    payload = int.from_bytes(buffer[payload_at : payload_at + size], "big")
    return (payload ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
