"""WebSocket frames as a client sends and reads them (RFC 6455), without sockets.

A load generator must cost less than the server it loads. trio-websocket keeps a task, a queue
and a wsproto state machine per connection; this reads the few bytes that matter.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_CONTROL_BYTES: Final = 125
_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024


class BadFrame(Exception):
    """The server broke the WebSocket protocol."""


def new_handshake_key() -> str:
    """Make a ``Sec-WebSocket-Key``."""
    return base64.b64encode(secrets.token_bytes(16)).decode()


def handshake_answer(key: str) -> str:
    """Return the ``Sec-WebSocket-Accept`` that belongs to a key."""
    # SHA-1 is what the RFC names; it guards nothing here.
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def encode_frame(opcode: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Encode a whole message as one masked frame."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    mask = secrets.token_bytes(4) if mask is None else mask
    # One big exclusive-or instead of one per byte.
    pattern = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")
    return head + mask + masked.to_bytes(length, "big")


def encode_close(code: int, reason: str = "") -> bytes:
    """Encode a close frame."""
    return encode_frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])


def close_code(payload: bytes) -> int:
    """Read the code of a close frame; 1005 when there is none."""
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005


class FrameReader:
    """Cuts the bytes of a server into messages and control frames."""

    __slots__ = ("_fragments", "_opcode", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._fragments: list[bytes] = []
        self._opcode = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take received bytes; return the (opcode, payload) that are complete now.

        Raises:
            BadFrame: the bytes are no frames a server may send.
        """
        if self._rest:
            data = self._rest + data
        out: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while end - at >= 2:
            first, length = data[at], data[at + 1]
            start = at + 2
            if length >= 126:
                start, length = self._long_length(data, at, length)
                if start > end:
                    break
            if start + length > end:
                break
            at = start + length
            self._take(first, data[start:at], out)
        self._rest = data[at:]
        return out

    @staticmethod
    def _long_length(data: bytes, at: int, length: int) -> tuple[int, int]:
        """Return where the payload starts and how long it is; beyond the data if not here yet."""
        if length & 0x80:
            raise BadFrame("the server masked a frame")
        start = at + (4 if length == 126 else 10)
        if start > len(data):
            return start, 0
        length = int.from_bytes(data[at + 2 : start], "big")
        if length > _MAX_MESSAGE_BYTES:
            raise BadFrame(f"a frame of {length} bytes")
        return start, length

    def _take(self, first: int, payload: bytes, out: list[tuple[int, bytes]]) -> None:
        if first == 0x81 and not self._fragments:
            out.append((TEXT, payload))
            return
        if first & 0x70:
            raise BadFrame("reserved bits are set, but no extension was agreed")
        opcode, is_last = first & 0x0F, bool(first & 0x80)
        if opcode >= CLOSE:
            if not is_last or len(payload) > _MAX_CONTROL_BYTES or opcode > PONG:
                raise BadFrame(f"a broken control frame, opcode {opcode}")
            out.append((opcode, payload))
        elif opcode in (TEXT, BINARY) and not self._fragments:
            self._start(opcode, is_last, payload, out)
        elif opcode == 0 and self._fragments:
            self._fragments.append(payload)
            if is_last:
                out.append((self._opcode, b"".join(self._fragments)))
                self._fragments.clear()
        else:
            raise BadFrame(f"opcode {opcode} out of turn")

    def _start(
        self, opcode: int, is_last: bool, payload: bytes, out: list[tuple[int, bytes]]
    ) -> None:
        if is_last:
            out.append((opcode, payload))
        else:
            self._opcode = opcode
            self._fragments.append(payload)
