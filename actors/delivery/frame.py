"""Frames: events encoded once, the same bytes for every receiver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.ids import ChatId, Seq


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded event on its way out."""

    payload: bytes
    """Complete JSON text of one WebSocket message."""
    chat_id: ChatId | None = None
    seq: Seq | None = None
    """None: transient, may be dropped under pressure, never replayed."""


class FrameTransport(Protocol):
    """One connection's way out: bounded, never waiting, in order."""

    def send_nowait(self, payloads: Sequence[bytes], *, transient: bool = False) -> bool:
        """Write or queue whole messages, in order, joined in one write where possible.

        Returns False when they do not fit the bounds; then nothing of them was queued.
        Transient payloads are refused earlier than durable ones. After close or abort it
        returns True and does nothing: nobody is there to miss them.
        """
        ...

    @property
    def pending_frames(self) -> int:
        """Messages that wait for the peer to read."""
        ...

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        ...

    @property
    def is_over(self) -> bool:
        """The connection carries nothing more, whoever ended it."""
        ...

    async def wait_drained(self) -> None:
        """Wait until everything queued so far has left for the socket, or it is closed."""
        ...

    def drop_pending(self) -> None:
        """Take back what was queued and has not begun to leave."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame behind what is queued, within a deadline, and hang up."""
        ...

    def abort(self) -> None:
        """Hang up at once."""
        ...
