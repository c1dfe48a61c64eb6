"""JSON lines between the parent and its client processes."""

from __future__ import annotations

from typing import Any, Final, Protocol

import orjson
import trio

_READ_BYTES: Final = 256 * 1024

Line = dict[str, Any]


class _Receives(Protocol):
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray: ...


class _Sends(Protocol):
    async def send_all(self, data: bytes) -> None: ...


class LineReader:
    """Reads JSON lines."""

    def __init__(self, stream: _Receives) -> None:
        self._stream = stream
        self._parts: list[bytes] = []
        self._lines: list[bytes] = []

    async def read(self) -> Line | None:
        """Return the next line; None at the end."""
        while not self._lines:
            data = await self._stream.receive_some(_READ_BYTES)
            if not data:
                return None
            *ends, rest = bytes(data).split(b"\n")
            for end in ends:
                self._lines.append(b"".join([*self._parts, end]))
                self._parts.clear()
            if rest:
                self._parts.append(rest)
        line: Line = orjson.loads(self._lines.pop(0))
        return line


class LineWriter:
    """Writes JSON lines, one whole line at a time."""

    def __init__(self, stream: _Sends) -> None:
        self._stream = stream
        self._turn = trio.Lock()

    async def write(self, line: Line) -> None:
        """Write a line."""
        async with self._turn:
            await self._stream.send_all(orjson.dumps(line) + b"\n")
