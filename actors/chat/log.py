"""What a chat actor reads from PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from actors.chat.ports import EventPage
from actors.chat.view import ChatView
from storage import chats, event_log, positions
from storage.database import Database
from storage.ids import ChatId, Seq, UserId

PAGE_EVENTS: Final = 500


class DatabaseChatLog:
    """The real ``ChatLog``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, chat_id: ChatId) -> ChatView | None:
        """Load the chat and its members' roles."""
        async with self._database.connection() as conn:
            snapshot = await chats.load_chat_state(conn, chat_id)
        if snapshot is None:
            return None
        return ChatView(
            chat_id=chat_id,
            type=snapshot.chat.type,
            last_seq=snapshot.chat.last_seq,
            is_active=snapshot.chat.is_active,
            roles={user_id: member.role for user_id, member in snapshot.members.items()},
        )

    async def read_events(self, chat_id: ChatId, after: Seq) -> EventPage:
        """Read one page of the log."""
        async with self._database.connection() as conn:
            page = await event_log.read_events(conn, chat_id, after, PAGE_EVENTS)
        return EventPage(events=page.events, has_more=page.has_more, too_far=page.too_far)

    async def entries(
        self, chat_id: ChatId, user_ids: Collection[UserId], until: Seq
    ) -> list[tuple[UserId, Seq]]:
        """Find the events with which these people came in."""
        async with self._database.connection() as conn:
            return await positions.entries_into(conn, chat_id, user_ids, until)
