"""Catching up: replay what a connection missed, then go on live without gap or repeat.

How it stays dense: while a chat is replayed, live frames of it are held (only their newest seq
is noted); the replay reads the log until nothing newer was noted, and lifts the hold in the
same step in which it saw that. So there is one source at a time and no buffer that could grow.
The pace is the reader's: the next page is read when the last one has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from actors.delivery.frame import Frame
from actors.delivery.session import Session
from aeon.services import Services
from aeon.wire.events import event_frame
from aeon.wire.links import Links
from storage import chats, event_log
from storage.events import DurableEvent, MemberRemoved
from storage.ids import ChatId, Seq

PAGE_EVENTS: Final = 100
_HOLDER: Final = "replay"
PAUSED: Final = "client"


@dataclass(frozen=True, slots=True)
class ResumedChat:
    """A chat that goes on live."""

    seq: int
    """How far the connection was brought."""
    replayed: int
    read_seq: int | None
    """How far the person has read: also what they read silently on another device."""


@dataclass(slots=True)
class ResumeReport:
    """What a resume did, as its ack tells."""

    chats: dict[ChatId, ResumedChat] = field(default_factory=dict)
    resync: list[ChatId] = field(default_factory=list)
    """Chats to load afresh: too far behind, or not named by the client."""
    left: list[ChatId] = field(default_factory=list)
    """Chats the person does not belong to any more."""
    replayed_events: int = 0


class Resume:
    """Replays for one session."""

    def __init__(self, services: Services, session: Session) -> None:
        self._services = services
        self._session = session

    async def run(self, cursors: Mapping[ChatId, Seq]) -> ResumeReport:
        """Replay after each cursor, then let every chat go on live.

        Cancellation: the connection is ending; nothing needs to be undone.
        """
        report = ResumeReport()
        session = self._session
        async with self._services.database.connection() as conn:
            mine = await chats.standings_of(conn, session.user_id)
        for chat_id in cursors:
            if chat_id not in mine:
                report.left.append(chat_id)
                continue
            session.hold(chat_id, _HOLDER)
        # From here on every named chat is held by the replay, and the others go live.
        session.hold_all = False
        report.resync.extend(sorted(mine - cursors.keys()))
        for chat_id, cursor in cursors.items():
            if chat_id in mine and not self._is_up_to_date(chat_id, cursor, mine, report):
                await self._replay(chat_id, cursor, report)
        return report

    def _is_up_to_date(
        self,
        chat_id: ChatId,
        cursor: int,
        mine: Mapping[ChatId, chats.Standing],
        report: ResumeReport,
    ) -> bool:
        """Let a chat go on at once of which nothing was missed; most chats of most returns."""
        session = self._session
        standing = mine[chat_id]
        reached = session.first_gap_after(chat_id, cursor)
        # What was committed after the look at the standing came by live: it was sent, or noted.
        if not cursor <= standing.last_seq <= reached or session.latest_seen(chat_id) > reached:
            return False
        session.go_on_after(chat_id, reached)
        session.release(chat_id, _HOLDER)
        report.chats[chat_id] = ResumedChat(reached, 0, standing.read_seq)
        return True

    async def _replay(self, chat_id: ChatId, cursor: int, report: ResumeReport) -> None:
        session = self._session
        limit = self._services.settings.resume_max_events
        replayed = 0
        reached = session.first_gap_after(chat_id, cursor)
        try:
            while session.closing is None:
                async with self._services.database.connection() as conn:
                    page = await event_log.read_events_for(
                        conn, chat_id, session.user_id, Seq(reached), PAGE_EVENTS
                    )
                if page is None:
                    await self._say_farewell(chat_id, reached)
                    report.left.append(chat_id)
                    return
                too_long = replayed == 0 and page.last_seq - reached > limit
                if page.too_far or too_long or cursor > page.last_seq:
                    # What it loads afresh begins with this, at the least.
                    session.go_on_after(chat_id, page.last_seq)
                    report.resync.append(chat_id)
                    return
                new = [event for event in page.events if not session.was_sent(chat_id, event.seq)]
                links = self._services.media.links.public
                frames = _frames(new, links)
                if not session.replay(frames):
                    return
                replayed += len(frames)
                report.replayed_events += len(frames)
                if page.events:
                    reached = session.first_gap_after(chat_id, page.events[-1].seq)
                await session.wait_drained()
                if not page.has_more and session.latest_seen(chat_id) <= reached:
                    session.go_on_after(chat_id, reached)
                    report.chats[chat_id] = ResumedChat(reached, replayed, page.read_seq)
                    return
        finally:
            # No checkpoint between the last look at latest_seen and this.
            session.release(chat_id, _HOLDER)

    async def _say_farewell(self, chat_id: ChatId, after: int) -> None:
        """Removed while the replay ran: send up to the removal, and nothing behind it."""
        async with self._services.database.connection() as conn:
            page = await event_log.read_events(conn, chat_id, Seq(after), PAGE_EVENTS)
        for position, event in enumerate(page.events, 1):
            if isinstance(event, MemberRemoved) and event.user_id == self._session.user_id:
                self._session.replay(
                    _frames(page.events[:position], self._services.media.links.public)
                )
                return


def _frames(events: Sequence[DurableEvent], links: Links) -> list[Frame]:
    return [Frame(event_frame(event, links), event.chat_id, event.seq) for event in events]
