"""Short ways to say commands in tests."""

from __future__ import annotations

from typing import Any

from storage.commands import (
    AddMember,
    ChangeRole,
    CreateChat,
    DeleteChat,
    DeleteMessage,
    EditMessage,
    MarkRead,
    RemoveMember,
    SendMessage,
    UpdateChat,
)
from storage.ids import ChatId, MessageId, UserId
from storage.records import ChatType, Role
from tests.helpers.people import person


def send(chat: int, sender: int, text: str | None = "hello", **fields: Any) -> SendMessage:
    return SendMessage(
        chat_id=ChatId(chat), actor_id=UserId(sender), sender=person(sender), text=text, **fields
    )


def edit(chat: int, actor: int, message: int, text: str = "edited", **fields: Any) -> EditMessage:
    return EditMessage(
        chat_id=ChatId(chat),
        actor_id=UserId(actor),
        message_id=MessageId(message),
        text=text,
        **fields,
    )


def delete(chat: int, actor: int, message: int) -> DeleteMessage:
    return DeleteMessage(
        chat_id=ChatId(chat), actor_id=UserId(actor), message_id=MessageId(message)
    )


def read(chat: int, actor: int, message: int | None = None, *, is_silent: bool = False) -> MarkRead:
    return MarkRead(
        chat_id=ChatId(chat),
        actor_id=UserId(actor),
        message_id=None if message is None else MessageId(message),
        is_silent=is_silent,
    )


def create(
    chat: int,
    actor: int,
    *members: int,
    type: ChatType = ChatType.GROUP,
    title: str | None = "Team",
    **fields: Any,
) -> CreateChat:
    return CreateChat(
        chat_id=ChatId(chat),
        actor_id=UserId(actor),
        type=type,
        title=title,
        member_ids=tuple(UserId(member) for member in members),
        **fields,
    )


def update(chat: int, actor: int, **fields: Any) -> UpdateChat:
    return UpdateChat(chat_id=ChatId(chat), actor_id=UserId(actor), **fields)


def close(chat: int, actor: int) -> DeleteChat:
    return DeleteChat(chat_id=ChatId(chat), actor_id=UserId(actor))


def add(chat: int, actor: int, user: int, **fields: Any) -> AddMember:
    return AddMember(chat_id=ChatId(chat), actor_id=UserId(actor), user_id=UserId(user), **fields)


def remove(chat: int, actor: int, user: int) -> RemoveMember:
    return RemoveMember(chat_id=ChatId(chat), actor_id=UserId(actor), user_id=UserId(user))


def promote(chat: int, actor: int, user: int, role: Role) -> ChangeRole:
    return ChangeRole(chat_id=ChatId(chat), actor_id=UserId(actor), user_id=UserId(user), role=role)
