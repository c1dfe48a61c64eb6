"""What waits for the window of one HTTP/2 stream, bounded.

Hypercorn's own lets a writer go on whenever a client's window is closed, so that a client that
reads nothing made the server keep whole responses.
"""

from __future__ import annotations

from typing import Final

import trio

HIGH_WATER_BYTES: Final = 32 * 1024
LOW_WATER_BYTES: Final = HIGH_WATER_BYTES // 2


class StreamBufferClosed(Exception):
    """The stream has ended; nothing more can be sent on it."""


class StreamBuffer:
    """Bytes of one stream on their way out: at most ``HIGH_WATER_BYTES`` and one write."""

    __slots__ = ("_data", "_has_ended", "_is_empty", "_may_go_on")

    def __init__(self) -> None:
        self._data = bytearray()
        self._has_ended = False
        self._is_empty = trio.Event()
        self._may_go_on = trio.Event()

    async def push(self, data: bytes) -> None:
        """Add data; wait while there is more than the client takes.

        Raises:
            StreamBufferClosed: the stream has ended.
        """
        if self._has_ended:
            raise StreamBufferClosed
        self._data.extend(data)
        self._is_empty = trio.Event()
        while len(self._data) >= HIGH_WATER_BYTES and not self._has_ended:
            self._may_go_on = trio.Event()
            await self._may_go_on.wait()

    async def pop(self, max_bytes: int) -> bytes:
        """Take what the client's window has room for."""
        data = bytes(self._data[:max_bytes])
        del self._data[: len(data)]
        if len(self._data) < LOW_WATER_BYTES:
            self._may_go_on.set()
        if not self._data:
            self._is_empty.set()
        return data

    async def drain(self) -> None:
        """Wait until everything was taken, or the stream was closed."""
        await self._is_empty.wait()

    def set_complete(self) -> None:
        """Nothing more comes."""
        self._has_ended = True

    @property
    def complete(self) -> bool:
        """Nothing more comes and nothing is left."""
        return self._has_ended and not self._data

    async def close(self) -> None:
        """Drop what waits, and let go of who waits."""
        self._has_ended = True
        self._data = bytearray()
        self._is_empty.set()
        self._may_go_on.set()
