"""The overview as server-sent events: one a second, worked out once for all who read it.

Rules of this file:

- The number of streams is bounded; each ends when its client goes or the node drains.
- A comment goes out at the start and whenever an overview is late, so that proxies and clients
  see that somebody is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from aeon.errors import EdgeError

EVERY_SECONDS: Final = 1.0
MAX_STREAMS: Final = 16
HEARTBEAT: Final = b": still here\n\n"

Source = Callable[[], Awaitable[bytes]]
"""Works out an overview: the JSON of it."""


class Streams:
    """The streams of a node, and the overview they share."""

    def __init__(self, *, max_streams: int = MAX_STREAMS) -> None:
        self._max_streams = max_streams
        self._ended = trio.Event()
        self._open: set[Stream] = set()
        self._turn = trio.Lock()
        self._latest: tuple[float, bytes] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def end_all(self) -> None:
        """End every stream, and open none again. Atomic."""
        self._ended.set()

    def open(self, source: Source) -> Stream:
        """Make a stream; it takes its place when it is read for the first time.

        Raises:
            EdgeError: ``overloaded``: as many are open as may be, or the node drains.
        """
        if self._ended.is_set() or len(self._open) >= self._max_streams:
            raise EdgeError("overloaded", "No further stream can be opened on this node.")
        return Stream(self, source)

    async def latest(self, source: Source) -> bytes:
        """Give the overview of this second."""
        async with self._turn:
            now = trio.current_time()
            # A little less than a second, or every other reader would find it just too fresh.
            if self._latest is None or now - self._latest[0] >= EVERY_SECONDS * 0.9:
                self._latest = now, await source()
            return self._latest[1]

    def begin(self, stream: Stream) -> bool:
        """Give a stream its place; False when there is none left."""
        if self._ended.is_set() or len(self._open) >= self._max_streams:
            return False
        self._open.add(stream)
        return True

    def end(self, stream: Stream) -> None:
        """Take the place back. Idempotent."""
        self._open.discard(stream)

    async def rest(self) -> bool:
        """Wait for the next second. False when the node drains."""
        with trio.move_on_after(EVERY_SECONDS):
            await self._ended.wait()
        return not self._ended.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether the node drains."""
        return self._ended.is_set()


class Stream:
    """One client's stream. An object, because a generator that nobody closes keeps its place."""

    def __init__(self, streams: Streams, source: Source) -> None:
        self._streams = streams
        self._source = source
        self._has_begun = False
        self._last: bytes | None = None

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        if not self._has_begun:
            self._has_begun = True
            if not self._streams.begin(self):
                raise StopAsyncIteration
            return HEARTBEAT
        if self._last is not None and not await self._streams.rest():
            raise StopAsyncIteration
        if self._streams.has_ended:
            raise StopAsyncIteration
        self._last = None
        with trio.move_on_after(5 * EVERY_SECONDS):
            self._last = await self._streams.latest(self._source)
        if self._last is None:
            return HEARTBEAT
        return b"event: overview\ndata: " + self._last + b"\n\n"

    async def aclose(self) -> None:
        """Give the place back; the server calls this however the answer ended."""
        self._streams.end(self)
