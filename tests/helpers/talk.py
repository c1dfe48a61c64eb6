"""People and chats on a real database, changed the way the product does: through the writer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import trio

from actors.chat.decide import decide
from storage import chats, users
from storage.commands import (
    AddMember,
    AnyCommand,
    Committed,
    CreateChat,
    DeleteChat,
    DeleteMessage,
    EditMessage,
    MarkRead,
    Outcome,
    RemoveMember,
    SendMessage,
)
from storage.database import Database
from storage.events import MessageSent
from storage.ids import ChatId, MediaId, MessageId, UserId
from storage.records import ChatType, MessageRecord, UserRecord
from storage.users import LoginProfile
from storage.writer import GroupWriter


class Talk:
    """Short words for what tests do in chats."""

    def __init__(self, database: Database, writer: GroupWriter) -> None:
        self.database = database
        self.writer = writer
        self.people: dict[UserId, UserRecord] = {}

    async def person(self, number: int) -> UserId:
        profile = LoginProfile(
            id=UserId(number), first_name=f"P{number}", username=f"person_{number}"
        )
        async with self.database.connection() as conn:
            self.people[UserId(number)] = (await users.upsert_login(conn, profile)).user
        return UserId(number)

    async def do(self, command: AnyCommand) -> Outcome:
        (outcome,) = await self.writer.append([command])
        return outcome

    async def done(self, command: AnyCommand) -> Committed:
        outcome = await self.do(command)
        assert isinstance(outcome, Committed), outcome
        return outcome

    async def group(self, owner: UserId, *others: UserId, title: str = "Group") -> ChatId:
        async with self.database.connection() as conn:
            chat_id = await chats.next_chat_id(conn)
        await self.done(
            CreateChat(
                chat_id=chat_id,
                actor_id=owner,
                type=ChatType.GROUP,
                title=title,
                member_ids=others,
                repeat_window=timedelta(0),
            )
        )
        return chat_id

    async def pair(self, one: UserId, other: UserId) -> ChatId:
        async with self.database.connection() as conn:
            chat_id = await chats.next_chat_id(conn)
        await self.done(
            CreateChat(
                chat_id=chat_id,
                actor_id=one,
                type=ChatType.PRIVATE,
                title=None,
                member_ids=(other,),
            )
        )
        return chat_id

    async def send(
        self,
        chat_id: ChatId,
        sender: UserId,
        text: str = "hello",
        *,
        media_id: MediaId | None = None,
    ) -> MessageRecord:
        committed = await self.done(
            SendMessage(
                chat_id=chat_id,
                actor_id=sender,
                sender=self.people[sender],
                text=text,
                media_id=media_id,
            )
        )
        assert isinstance(committed.event, MessageSent)
        return committed.event.message

    async def edit(self, message: MessageRecord, text: str) -> None:
        await self.done(
            EditMessage(
                chat_id=message.chat_id,
                actor_id=message.sender.id,
                message_id=message.id,
                text=text,
            )
        )

    async def delete(self, message: MessageRecord) -> None:
        await self.done(
            DeleteMessage(
                chat_id=message.chat_id, actor_id=message.sender.id, message_id=message.id
            )
        )

    async def read(
        self, chat_id: ChatId, reader: UserId, message_id: MessageId | None = None
    ) -> Outcome:
        return await self.do(MarkRead(chat_id=chat_id, actor_id=reader, message_id=message_id))

    async def add(self, chat_id: ChatId, owner: UserId, user_id: UserId) -> Outcome:
        return await self.do(AddMember(chat_id=chat_id, actor_id=owner, user_id=user_id))

    async def remove(self, chat_id: ChatId, actor: UserId, user_id: UserId) -> Outcome:
        return await self.do(RemoveMember(chat_id=chat_id, actor_id=actor, user_id=user_id))

    async def delete_chat(self, chat_id: ChatId, owner: UserId) -> None:
        await self.done(DeleteChat(chat_id=chat_id, actor_id=owner))


@asynccontextmanager
async def open_talk(database: Database) -> AsyncIterator[Talk]:
    """Run a writer on the database for the length of the block."""
    async with trio.open_nursery() as nursery:
        writer = GroupWriter(database, decide)
        await nursery.start(writer.run)
        yield Talk(database, writer)
        await writer.aclose()
