"""A session: one connection of one person, and what it has been sent so far.

Rules of this file:

- Everything here is synchronous: no task can see half of a delivery.
- Per chat a connection gets each ``seq`` once and in order. While a chat is *held* (paused by
  the client, waiting for its first resume, or being replayed) live frames of it are not queued
  but only noted: the log has them, and whoever lifts the hold reads them from there.
- A durable frame that does not fit ends the connection (4008); the client resumes by cursor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from actors.delivery.frame import Frame, FrameTransport
from storage.ids import ChatId, Seq, UserId

MAX_RUNS: Final = 64
"""Runs remembered per chat and connection; a client that pauses a chat more often may be sent
events from before the oldest remembered run again when it resumes from there."""


class CloseReason(Enum):
    """Why the server ends a session; the edge maps it to a close code."""

    TOO_SLOW = auto()
    REPLACED = auto()
    REVOKED = auto()
    SHUTDOWN = auto()
    FAULT = auto()
    MISSED_EVENTS = auto()
    """It lacks events that the log no longer holds; resuming tells what to load afresh."""


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """Counts since the session began."""

    frames_sent: int
    transient_dropped: int
    held_chats: int
    pending_frames: int
    """Handed over, and not yet taken by the peer."""
    pending_bytes: int
    age_seconds: float


_NOBODY: Final[frozenset[str]] = frozenset()


class _ChatProgress:
    """What one connection has been sent of one chat; most have one run and nobody who holds."""

    __slots__ = ("earlier", "first", "floor", "held_by", "last", "latest_seen")

    def __init__(self) -> None:
        # The newest run that was sent without a gap, first to last; 0 when nothing was.
        self.first = 0
        self.last = 0
        # Runs before that one, in order.
        self.earlier: tuple[tuple[int, int], ...] = ()
        # Nothing up to here goes out live: it was sent, or the client had it when it resumed.
        self.floor = 0
        # The newest seq that passed by while the chat was held.
        self.latest_seen = 0
        self.held_by = _NOBODY

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """All that was sent, in order."""
        return (*self.earlier, (self.first, self.last)) if self.last else ()

    def note_sent(self, seq: int) -> None:
        """Remember it, wherever it stands among what was sent."""
        self.floor = max(self.floor, seq)
        if seq == self.last + 1 and self.last:
            self.last = seq
            return
        merged: list[tuple[int, int]] = []
        for low, high in sorted((*self.runs, (seq, seq))):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self.first, self.last = merged.pop()
        self.earlier = tuple(merged[1 - MAX_RUNS :])


class Session:
    """One connection of one person."""

    __slots__ = (
        "_chats",
        "_frames_sent",
        "_on_close",
        "_transient_dropped",
        "_transport",
        "closing",
        "credential_id",
        "hold_all",
        "id",
        "opened_at",
        "user_id",
    )

    def __init__(
        self,
        *,
        session_id: str,
        user_id: UserId,
        transport: FrameTransport,
        on_close: Callable[[CloseReason], None],
        hold_all: bool = False,
        credential_id: str | None = None,
    ) -> None:
        """Prepare a session; frames flow once ``Fanout.attach`` knows it.

        Args:
            session_id: shown to the client and to operators.
            user_id: whose connection it is.
            transport: the way out.
            on_close: called once, synchronously, when the session has to end; must not block.
            hold_all: deliver no durable frame before the first resume.
            credential_id: which revocable credential opened it, if any.
        """
        self.id = session_id
        self.user_id = user_id
        self.credential_id = credential_id
        self.closing: CloseReason | None = None
        self.hold_all = hold_all
        self.opened_at = time.monotonic()
        self._transport = transport
        self._on_close = on_close
        self._chats: dict[ChatId, _ChatProgress] = {}
        self._frames_sent = 0
        self._transient_dropped = 0

    @property
    def pending_frames(self) -> int:
        """Messages that wait for the peer to read."""
        return self._transport.pending_frames

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._transport.pending_bytes

    @property
    def is_over(self) -> bool:
        """The connection carries nothing more, whoever ended it."""
        return self._transport.is_over

    def send(self, payload: bytes) -> bool:
        """Send a frame that belongs to no chat: an ack, an error, the greeting.

        Returns False when the connection was too slow for it and is being closed.
        """
        if self.closing is not None:
            return False
        if not self._transport.send_nowait((payload,)):
            self.end(CloseReason.TOO_SLOW)
            return False
        self._frames_sent += 1
        return True

    def deliver(self, frames: Sequence[Frame]) -> None:
        """Hand live frames over, joined in one write; never blocks, never raises."""
        if self.closing is not None:
            return
        payloads: list[bytes] = []
        transient: list[bytes] = []
        for frame in frames:
            if frame.seq is None:
                if not self._is_paused(frame.chat_id):
                    transient.append(frame.payload)
            elif self._admit(frame, frame.seq):
                payloads.append(frame.payload)
        if transient and not self._transport.send_nowait(transient, transient=True):
            self._transient_dropped += len(transient)
        if payloads:
            if self._transport.send_nowait(payloads):
                self._frames_sent += len(payloads)
            else:
                self.end(CloseReason.TOO_SLOW)

    def end(self, reason: CloseReason) -> None:
        """Deliver nothing more and ask the edge to close the connection; idempotent."""
        if self.closing is None:
            self.closing = reason
            self._on_close(reason)

    def hold(self, chat_id: ChatId, holder: str) -> None:
        """Stop live frames of a chat; ``holder`` names who has to release it."""
        self._progress(chat_id).held_by |= {holder}

    def release(self, chat_id: ChatId, holder: str) -> None:
        """Lift one hold; live frames go on when none is left."""
        progress = self._progress(chat_id)
        progress.held_by = progress.held_by - {holder} or _NOBODY

    def release_all(self, holder: str) -> None:
        """Lift all holds of one holder."""
        for progress in self._chats.values():
            progress.held_by = progress.held_by - {holder} or _NOBODY

    def is_held(self, chat_id: ChatId, holder: str) -> bool:
        """Say whether this holder holds the chat."""
        progress = self._chats.get(chat_id)
        return progress is not None and holder in progress.held_by

    def latest_seen(self, chat_id: ChatId) -> int:
        """Newest seq that passed by while the chat was held; 0 when none did."""
        return self._progress(chat_id).latest_seen

    def chats_noted(self) -> frozenset[ChatId]:
        """Chats of which something passed by while they were held, and was not sent since."""
        return frozenset(
            chat_id
            for chat_id, progress in self._chats.items()
            if progress.latest_seen > progress.floor
        )

    def newest_sent(self, chat_id: ChatId) -> int:
        """Newest seq that went out; 0 when none did."""
        progress = self._chats.get(chat_id)
        return 0 if progress is None else progress.last

    def go_on_after(self, chat_id: ChatId, seq: int) -> None:
        """Deliver nothing live up to ``seq``: the client has it, whoever sent it.

        A node that lags behind hands out events that another node sent this client before it
        came here. Replays are not held back: a client may ask for what it had.
        """
        progress = self._progress(chat_id)
        progress.floor = max(progress.floor, seq)

    def first_gap_after(self, chat_id: ChatId, cursor: int) -> int:
        """Skip what was sent: the largest seq S >= cursor with all of cursor+1..S sent."""
        for low, high in self._progress(chat_id).runs:
            if low <= cursor + 1 <= high:
                cursor = high
        return cursor

    def was_sent(self, chat_id: ChatId, seq: int) -> bool:
        """Say whether this connection got that event already."""
        return any(low <= seq <= high for low, high in self._progress(chat_id).runs)

    def replay(self, frames: Iterable[Frame]) -> bool:
        """Send frames read from the log, leaving out those sent before.

        Returns False when they did not fit; the session is then being closed.
        """
        if self.closing is not None:
            return False
        payloads: list[bytes] = []
        for frame in frames:
            if frame.chat_id is None or frame.seq is None:
                continue
            if not self.was_sent(frame.chat_id, frame.seq):
                self._progress(frame.chat_id).note_sent(frame.seq)
                payloads.append(frame.payload)
        if payloads and not self._transport.send_nowait(payloads):
            self.end(CloseReason.TOO_SLOW)
            return False
        self._frames_sent += len(payloads)
        return True

    async def wait_drained(self) -> None:
        """Wait until the reader took what was sent so far."""
        await self._transport.wait_drained()

    def statistics(self) -> SessionStatistics:
        """Count what went out."""
        return SessionStatistics(
            frames_sent=self._frames_sent,
            transient_dropped=self._transient_dropped,
            held_chats=sum(1 for progress in self._chats.values() if progress.held_by),
            pending_frames=self._transport.pending_frames,
            pending_bytes=self._transport.pending_bytes,
            age_seconds=time.monotonic() - self.opened_at,
        )

    def _is_paused(self, chat_id: ChatId | None) -> bool:
        """Say whether the client itself paused the chat of a transient frame."""
        return chat_id is not None and self.is_held(chat_id, "client")

    def _admit(self, frame: Frame, seq: Seq) -> bool:
        """Decide whether a live durable frame goes out now, and remember it."""
        assert frame.chat_id is not None
        progress = self._chats.get(frame.chat_id) or self._progress(frame.chat_id)
        if self.hold_all or progress.held_by:
            progress.latest_seen = max(progress.latest_seen, seq)
            return False
        if seq <= progress.floor:
            return False
        if seq == progress.last + 1 > 1:
            progress.last = progress.floor = seq  # As ``note_sent`` does, without the call.
        else:
            progress.note_sent(seq)
        return True

    def _progress(self, chat_id: ChatId) -> _ChatProgress:
        progress = self._chats.get(chat_id)
        if progress is None:
            progress = self._chats[chat_id] = _ChatProgress()
        return progress
