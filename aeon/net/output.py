"""The ordered way out of a connection: everything that is written passes through here.

Rules of this file:

- Bytes leave in the order of the calls to ``write``, whoever calls: handlers, pings, close
  frames, HTTP responses.
- ``write`` never waits. Where the socket can be written directly and nothing is pending, it is
  one ``send``; else, and for the rest of a partial one, the bytes wait, and a task that lives
  only while something waits empties them in joined writes.
- Bytes once taken are never half dropped: a waiter that is cancelled leaves them in order, and
  ``drop_waiting`` takes back whole writes. Bounds are the caller's business; ``pending_bytes``
  and ``pending_frames`` tell.
- A peer that takes nothing for ``stall_seconds`` breaks the output; one that takes a little
  within each such time never does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

MAX_JOINED_BYTES: Final = 64 * 1024
"""Most bytes handed over at once."""

Chunk = bytes | memoryview


def joined(chunks: list[Chunk]) -> Chunk:
    """Join chunks; a single one is not copied."""
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class Sink(Protocol):
    """Takes chunks in order, and tells of progress by returning."""

    async def __call__(self, chunks: list[Chunk]) -> int:
        """Write these chunks, one after the other.

        Returns how many bytes the peer's side has taken over, from the front: at least one. A
        sink that is given joined bytes may return early, so that progress can be seen.

        Raises:
            OSError, trio.BrokenResourceError, trio.ClosedResourceError: the peer is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutputStatistics:
    """What passed, and what waits."""

    bytes_written: int
    direct_writes: int
    joined_writes: int
    pending_bytes: int
    pending_frames: int


class Output:
    """Ordered bytes out, written through where possible."""

    __slots__ = (
        "_broken",
        "_bytes_written",
        "_changed",
        "_chunks",
        "_direct_writes",
        "_first_has_begun",
        "_flushing",
        "_joined_writes",
        "_on_broken",
        "_send_now",
        "_sink",
        "_spawn",
        "_splits",
        "_stall_seconds",
        "pending_bytes",
        "pending_frames",
    )

    def __init__(
        self,
        sink: Sink,
        *,
        spawn: Callable[[Callable[[], Awaitable[None]]], None],
        on_broken: Callable[[], None],
        stall_seconds: float,
        send_now: Callable[[bytes], int] | None = None,
        splits: bool = True,
    ) -> None:
        """Prepare an output; it needs no task until something has to wait.

        Args:
            sink: takes what could not be written at once.
            spawn: starts the flushing task in the connection's nursery.
            on_broken: called once, synchronously, when the peer is gone or stalls.
            stall_seconds: longest time without any progress.
            send_now: a non-blocking ``socket.send``; None: everything goes through the sink.
            splits: a large write may reach the sink in pieces.
        """
        self.pending_bytes = 0
        self.pending_frames = 0
        self._sink = sink
        self._spawn = spawn
        self._on_broken = on_broken
        self._stall_seconds = stall_seconds
        self._send_now = send_now
        self._splits = splits
        self._chunks: deque[tuple[Chunk, int]] | None = None
        # Part of the first chunk has left already.
        self._first_has_begun = False
        self._flushing = False
        self._broken = False
        self._changed: trio.Event | None = None
        self._bytes_written = 0
        self._direct_writes = 0
        self._joined_writes = 0

    @property
    def is_direct(self) -> bool:
        """The socket can be written without waiting."""
        return self._send_now is not None

    @property
    def bytes_written(self) -> int:
        """Bytes handed over so far: grows as long as the peer takes something."""
        return self._bytes_written

    def write(self, data: bytes, frames: int = 0) -> None:
        """Write or queue bytes; never waits, never raises.

        Args:
            data: taken whole.
            frames: how many messages it holds, for ``pending_frames``.
        """
        if self._broken:
            return
        if not self.pending_bytes and self._send_now is not None:
            try:
                sent = self._send_now(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.break_off()
                return
            self._bytes_written += sent
            if sent == len(data):
                self._direct_writes += 1
                return
            data = data[sent:]
            self._first_has_begun = sent > 0
        if self._chunks is None:
            self._chunks = deque()
        self._chunks.append((data, frames))
        self.pending_bytes += len(data)
        self.pending_frames += frames
        if not self._flushing:
            self._flushing = True
            try:
                self._spawn(self._flush)
            except RuntimeError:  # The connection's nursery has just closed.
                self.break_off()

    async def wait_below(self, limit_bytes: int) -> None:
        """Wait until at most this much is pending, or the output is broken.

        Cancellation leaves what was written in order.
        """
        while self.pending_bytes > limit_bytes and not self._broken:
            if self._changed is None:
                self._changed = trio.Event()
            await self._changed.wait()

    def drop_waiting(self) -> None:
        """Take back what waits and has not begun to leave; what has begun goes out whole."""
        chunks = self._chunks
        while chunks and len(chunks) > self._first_has_begun:
            data, frames = chunks.pop()
            self.pending_bytes -= len(data)
            self.pending_frames -= frames
        self._tell_waiters()

    def break_off(self) -> None:
        """Drop what is pending and write nothing more; idempotent."""
        if self._broken:
            return
        self._broken = True
        self._chunks = None
        self.pending_bytes = 0
        self.pending_frames = 0
        self._tell_waiters()
        self._on_broken()

    def statistics(self) -> OutputStatistics:
        """Count what passed."""
        return OutputStatistics(
            bytes_written=self._bytes_written,
            direct_writes=self._direct_writes,
            joined_writes=self._joined_writes,
            pending_bytes=self.pending_bytes,
            pending_frames=self.pending_frames,
        )

    async def _flush(self) -> None:
        try:
            while self._chunks:
                chunks, size, frames = self._take(self._chunks)
                self._joined_writes += 1
                while size:
                    with trio.move_on_after(self._stall_seconds) as patience:
                        taken = await self._sink(chunks)
                    if self._broken or patience.cancelled_caught:
                        return
                    size -= taken
                    self._bytes_written += taken
                    self.pending_bytes -= taken
                    if size:
                        chunks = [memoryview(joined(chunks))[taken:]]
                        self._tell_waiters()
                self.pending_frames -= frames
                self._tell_waiters()
            self._chunks = None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._flushing = False
            # Stalled, refused or cancelled half-way: what follows could not be understood.
            if self.pending_bytes:
                self.break_off()

    def _take(self, chunks: deque[tuple[Chunk, int]]) -> tuple[list[Chunk], int, int]:
        """Take from the front up to ``MAX_JOINED_BYTES``; at least one chunk, or a piece of it."""
        taken: list[Chunk] = []
        size = frames = 0
        while chunks and (not taken or size + len(chunks[0][0]) <= MAX_JOINED_BYTES):
            data, count = chunks.popleft()
            self._first_has_begun = False
            if self._splits and len(data) > MAX_JOINED_BYTES:
                view = memoryview(data)
                chunks.appendleft((view[MAX_JOINED_BYTES:], count))
                self._first_has_begun = True
                return [view[:MAX_JOINED_BYTES]], MAX_JOINED_BYTES, 0
            taken.append(data)
            size += len(data)
            frames += count
        return taken, size, frames

    def _tell_waiters(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
