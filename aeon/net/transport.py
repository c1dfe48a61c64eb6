"""What WebSocket handlers send through: bounded, never waiting, joined, in order.

``current_transport()`` gives the transport of the WebSocket that the current task handles. It
travels by context variable, which Trio's tasks inherit, so no handler knows the server. Under
this server it writes through to the socket (``WireTransport`` over a direct ``Output``); over
TLS and HTTP/2 the same class writes behind a flushing task; under another ASGI server
``aeon.net.asgi`` offers the same surface over ``websocket.send``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import trio

from aeon.net import frames
from aeon.net.output import Output


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """One connection's way out, for operators."""

    kind: str
    """``direct``, ``flushed`` or ``asgi``."""
    frames_sent: int
    frames_refused: int
    pending_frames: int
    pending_bytes: int
    bytes_written: int
    direct_writes: int
    joined_writes: int
    is_closing: bool


class Transport(ABC):
    """One WebSocket's way out; create none yourself, ask ``current_transport()``."""

    __slots__ = (
        "_frames_refused",
        "_frames_sent",
        "_max_pending_bytes",
        "_max_pending_frames",
        "_output",
        "_over",
        "is_closing",
        "is_over",
    )

    def __init__(self, output: Output, *, max_pending_frames: int, max_pending_bytes: int) -> None:
        self._output = output
        self._max_pending_frames = max_pending_frames
        self._max_pending_bytes = max_pending_bytes
        self._frames_sent = 0
        self._frames_refused = 0
        self.is_closing = False
        self.is_over = False
        self._over: trio.Event | None = None

    def send_nowait(self, payloads: Sequence[bytes], *, transient: bool = False) -> bool:
        """Write or queue whole text messages, joined in one write; never waits or raises.

        What finds nothing pending is always taken, so only a reader that is behind is refused;
        what is pending never exceeds the bounds by more than one such batch. Transient
        payloads are refused above half of the bounds.

        Returns:
            False when they do not fit; then nothing of them was queued. After ``close`` or
            ``abort`` True, and nothing happens: nobody is there to miss them.
        """
        if self.is_closing:
            return True
        output = self._output
        if output.pending_bytes and not self._fits(payloads, transient):
            self._frames_refused += len(payloads)
            return False
        self._frames_sent += len(payloads)
        self._write(payloads)
        return True

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._output.pending_bytes

    @property
    def pending_frames(self) -> int:
        """Messages that wait for the peer to read."""
        return self._output.pending_frames

    async def wait_drained(self) -> None:
        """Wait until nothing is pending, or the connection is gone.

        Checkpoint: yes. Cancellation loses nothing that was sent.
        """
        if not self._output.pending_bytes:
            await trio.lowlevel.checkpoint()
        else:
            await self._output.wait_below(0)

    def drop_pending(self) -> None:
        """Take back messages that have not begun to leave: what follows gets there sooner."""
        self._output.drop_waiting()

    def close_nowait(self, code: int, reason: str = "") -> None:
        """Queue a close frame behind what is pending and hang up within the deadline."""
        if not self.is_closing:
            self.is_closing = True
            self._start_close(code, reason)

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame behind what is pending, and return when the peer hung up.

        Bounded: after ``close_seconds`` we hang up ourselves. A second close changes nothing
        and waits too. Cancelling the wait does not stop the closing.
        """
        self.close_nowait(code, reason)
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until the connection carries nothing more, whoever ended it."""
        if self.is_over:
            await trio.lowlevel.checkpoint()
            return
        if self._over is None:
            self._over = trio.Event()
        await self._over.wait()

    def abort(self) -> None:
        """Hang up at once, dropping what is pending."""
        self.is_closing = True
        self._output.break_off()

    def end(self) -> None:
        """Note that the connection is over, and wake who waits for it; the server's business."""
        self.is_closing = True
        self.is_over = True
        if self._over is not None:
            self._over.set()

    def statistics(self) -> TransportStatistics:
        """Count what went out."""
        output = self._output.statistics()
        return TransportStatistics(
            kind=self.kind,
            frames_sent=self._frames_sent,
            frames_refused=self._frames_refused,
            pending_frames=output.pending_frames,
            pending_bytes=output.pending_bytes,
            bytes_written=output.bytes_written,
            direct_writes=output.direct_writes,
            joined_writes=output.joined_writes,
            is_closing=self.is_closing,
        )

    def _fits(self, payloads: Sequence[bytes], transient: bool) -> bool:
        share = 2 if transient else 1
        output = self._output
        size = sum(map(len, payloads))
        return (
            output.pending_frames + len(payloads) <= self._max_pending_frames // share
            and output.pending_bytes + size <= self._max_pending_bytes // share
        )

    @property
    @abstractmethod
    def kind(self) -> str:
        """How it writes, for statistics."""

    @abstractmethod
    def _write(self, payloads: Sequence[bytes]) -> None:
        """Hand whole messages to the output."""

    @abstractmethod
    def _start_close(self, code: int, reason: str) -> None:
        """Queue the close frame and start the deadline."""


class WireTransport(Transport):
    """The transport of a WebSocket of this server: ready frames into its output."""

    __slots__ = ("_begin_close", "_kind")

    def __init__(
        self,
        output: Output,
        *,
        begin_close: Callable[[int, str], None],
        kind: str,
        max_pending_frames: int,
        max_pending_bytes: int,
    ) -> None:
        super().__init__(
            output, max_pending_frames=max_pending_frames, max_pending_bytes=max_pending_bytes
        )
        self._begin_close = begin_close
        self._kind = kind

    @property
    def kind(self) -> str:
        """How it writes, for statistics."""
        return self._kind

    def _write(self, payloads: Sequence[bytes]) -> None:
        self._output.write(_encode(payloads), len(payloads))

    def _start_close(self, code: int, reason: str) -> None:
        self._begin_close(code, reason)


class _LastEncoded:
    """The last batch and its frames: a fan-out sends one batch to every member in turn."""

    payloads: tuple[bytes, ...] = ()
    data: bytes = b""


def _encode(payloads: Sequence[bytes]) -> bytes:
    batch = tuple(payloads)
    # Comparing is by identity first, so the same objects cost next to nothing.
    if batch != _LastEncoded.payloads:
        _LastEncoded.data = frames.text_frames(batch)
        _LastEncoded.payloads = batch
    return _LastEncoded.data


_current: ContextVar[Transport | None] = ContextVar("aeon_transport", default=None)


def current_transport() -> Transport:
    """Give the transport of the WebSocket that this task handles.

    Raises:
        RuntimeError: no WebSocket is being handled here, or the application is not wrapped in
            ``aeon.net.asgi.TransportMiddleware`` under a foreign server.
    """
    transport = _current.get()
    if transport is None:
        raise RuntimeError("no WebSocket is handled in this task")
    return transport


@contextmanager
def handling(transport: Transport | None) -> Iterator[None]:
    """Let tasks that start within know this transport as the current one."""
    token = _current.set(transport)
    try:
        yield
    finally:
        _current.reset(token)
