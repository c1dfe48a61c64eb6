"""Catching up: replay what a connection missed, then go on live without gap or repeat.

How it stays dense: while a chat is replayed, live frames of it are held (only their newest seq
is noted); the replay reads the log until nothing newer was noted, and lifts the hold in the
same step in which it saw that. So there is one source at a time and no buffer that could grow.
The pace is the reader's: the next slice goes out when the last one has left, so that there is
always room for what comes live in other chats.

Cursors that fit in no single frame come in parts: what no part has named yet is held like what is
being replayed, so that each chat is one ordered stream whichever part names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
SLICE_BYTES: Final = 64 * 1024
"""Of a replay waits for the reader at a time, or one event."""
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
    left: dict[ChatId, int] = field(default_factory=dict)
    """Chats the person does not belong to any more, and the newest seq sent of them by then."""
    replayed_events: int = 0


class Resume:
    """Replays for one session."""

    def __init__(self, services: Services, session: Session) -> None:
        self._services = services
        self._session = session
        self._is_running = False
        self._is_overdue = False
        self._brought: set[ChatId] = set()
        """Chats that earlier parts of a resume in parts have dealt with."""

    def wait_no_longer(self) -> None:
        """Let everything go live: a promised resume did not come, unless it is under way."""
        self._is_overdue = True
        if not self._is_running:
            self._session.hold_all = False

    async def run(self, cursors: Mapping[ChatId, Seq], *, has_more: bool = False) -> ResumeReport:
        """Replay after each cursor, then let every chat go on live.

        When the database fails, chats that were not brought up to date stay held: what goes on
        live would have a hole. The next run takes them up, or lets them go.

        Args:
            cursors: the newest seq the client has of each chat.
            has_more: further cursors follow in another run. Chats that no part has named yet
                stay held until one does, or until the last part is there.

        Cancellation: the connection is ending; nothing needs to be undone.
        """
        self._is_running = True
        try:
            return await self._run(cursors, has_more)
        finally:
            self._is_running = False
            if self._is_overdue:
                self._session.hold_all = False

    async def _run(self, cursors: Mapping[ChatId, Seq], has_more: bool) -> ResumeReport:
        report = ResumeReport()
        try:
            await self._bring(cursors, has_more, report)
        except BaseException:
            if has_more or self._brought:
                # These go on live. Of chats to load afresh the client was not told.
                self._brought.update(report.chats)
            raise
        if has_more:
            self._brought.update(report.chats, report.resync)
        else:
            self._brought.clear()
        return report

    async def _bring(
        self, cursors: Mapping[ChatId, Seq], has_more: bool, report: ResumeReport
    ) -> None:
        session = self._session
        sent_before = {chat_id: session.newest_sent(chat_id) for chat_id in cursors}
        mine = await self._standings(cursors)
        named = [chat_id for chat_id in cursors if chat_id in mine]
        self._brought.difference_update(named)
        not_named = mine.keys() - cursors.keys() - self._brought
        if not has_more:
            report.resync.extend(sorted(not_named))
        for chat_id in (*named, *not_named) if has_more else named:
            session.hold(chat_id, _HOLDER)
        # From here on every chat that waits for its replay is held, and the others go live.
        session.hold_all = False
        report.left.update((one, sent) for one, sent in sent_before.items() if one not in mine)
        missed = [one for one in named if not self._is_up_to_date(one, cursors[one], mine, report)]
        for chat_id in missed:
            if await self._replay(chat_id, cursors[chat_id], report):
                # No checkpoint since the replay's last look at latest_seen.
                session.release(chat_id, _HOLDER)
        await self._note_returns(cursors, report)
        # What is to be loaded afresh goes on only when the client is told so, now.
        if has_more:
            for chat_id in report.resync:
                session.release(chat_id, _HOLDER)
        else:
            session.release_all(_HOLDER)

    async def _standings(self, named: Mapping[ChatId, Seq]) -> Mapping[ChatId, chats.Standing]:
        """Where the person stands in each of their chats, no earlier than what was held back.

        A deleted chat is theirs as long as they name it: they have not heard its end yet.
        """
        noted: frozenset[ChatId] = frozenset()
        while True:
            async with self._services.database.connection() as conn:
                mine = await chats.standings_of(conn, self._session.user_id, named)
            # Joined while we looked: nothing of it went out, so it has to be named.
            unknown = self._session.chats_noted() - mine.keys()
            if unknown <= noted:
                return mine
            noted = unknown

    async def _note_returns(self, named: Mapping[ChatId, Seq], report: ResumeReport) -> None:
        """Who left a chat and was added again meanwhile has to load it."""
        newest_sent = self._session.newest_sent
        heard = [one for one, sent in report.left.items() if newest_sent(one) > sent]
        if not heard:
            return  # Nothing since then, not even that they were removed.
        mine = await self._standings(named)
        for chat_id in mine.keys() & heard:
            del report.left[chat_id]
            report.resync.append(chat_id)

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

    async def _replay(self, chat_id: ChatId, cursor: int, report: ResumeReport) -> bool:
        """Send what was missed; False: the client has to load the chat before it goes on."""
        session = self._session
        limit = self._services.settings.resume_max_events
        replayed = 0
        reached = session.first_gap_after(chat_id, cursor)
        while session.closing is None:
            async with self._services.database.connection() as conn:
                page = await event_log.read_events_for(
                    conn, chat_id, session.user_id, Seq(reached), PAGE_EVENTS
                )
            if page is None:
                await self._say_farewell(chat_id, reached)
                report.left[chat_id] = session.newest_sent(chat_id)
                return True
            too_long = replayed == 0 and page.last_seq - reached > limit
            if page.too_far or too_long or cursor > page.last_seq:
                # What it loads afresh begins with this, at the least.
                session.go_on_after(chat_id, page.last_seq)
                report.resync.append(chat_id)
                return False
            new = [event for event in page.events if not session.was_sent(chat_id, event.seq)]
            for frames in _slices(_frames(new, self._services.media.links.public)):
                if not session.replay(frames):
                    return False
                replayed += len(frames)
                report.replayed_events += len(frames)
                await session.wait_drained()
            if page.events:
                reached = session.first_gap_after(chat_id, page.events[-1].seq)
            if not page.has_more and session.latest_seen(chat_id) <= reached:
                session.go_on_after(chat_id, reached)
                report.chats[chat_id] = ResumedChat(reached, replayed, page.read_seq)
                return True
        return False

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


def _slices(frames: Sequence[Frame]) -> Iterator[list[Frame]]:
    """Cut into runs of at most ``SLICE_BYTES``, or single frames."""
    part: list[Frame] = []
    size = 0
    for frame in frames:
        if part and size + len(frame.payload) > SLICE_BYTES:
            yield part
            part, size = [], 0
        part.append(frame)
        size += len(frame.payload)
    if part:
        yield part
