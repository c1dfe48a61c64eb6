"""Create, list, show, change and delete chats."""

from __future__ import annotations

from actors.chat.errors import ChatRefused
from aeon.auth.principal import Principal
from aeon.errors import EdgeError, FieldFault, InvalidInput
from aeon.services import Services
from aeon.usecases.asking import ask_chat
from aeon.usecases.media import stored_photo
from aeon.wire.requests import CreateChatInput, UpdateChatInput
from storage import chats
from storage.chats import ChatView
from storage.commands import (
    UNSET,
    AlreadyExists,
    Committed,
    CreateChat,
    DeleteChat,
    RejectReason,
    UpdateChat,
)
from storage.events import ChatCreated, ChatUpdated
from storage.ids import ChatId, Seq, UserId
from storage.records import ChatListRecord, ChatType, MemberRecord, Role


async def create_chat(
    services: Services, principal: Principal, wanted: CreateChatInput
) -> ChatView:
    """Open a chat, or find the one that is there: a pair's private chat, or a client's retry."""
    member_ids = tuple(UserId(user_id) for user_id in dict.fromkeys(wanted.member_ids))
    _check_size(services, principal, member_ids)
    async with services.database.connection() as conn:
        chat_id = await chats.next_chat_id(conn)
    command = CreateChat(
        chat_id=chat_id,
        actor_id=principal.user_id,
        type=ChatType(wanted.chat_type),
        title=_cleared(wanted.title),
        description=_cleared(wanted.description),
        photo_url=await stored_photo(services, principal, _cleared(wanted.photo_url)),
        member_ids=member_ids,
    )
    try:
        answer = await ask_chat(services, command)
    except ChatRefused as refusal:
        if refusal.reason is RejectReason.PRIVATE_CHAT_FULL:
            fault = FieldFault("member_ids", "a private chat holds one other person")
            raise InvalidInput([fault]) from None
        raise
    if isinstance(answer, AlreadyExists):
        return await get_chat(services, principal, answer.chat_id)
    assert isinstance(answer, Committed)
    event = answer.event
    assert isinstance(event, ChatCreated)
    return _view(principal, event)


async def list_chats(services: Services, principal: Principal) -> list[ChatListRecord]:
    """List the person's active chats, the one with the newest message first."""
    async with services.database.connection() as conn:
        return await chats.list_chats(conn, principal.user_id)


async def get_chat(services: Services, principal: Principal, chat_id: ChatId) -> ChatView:
    """Show a chat to one of its members; a deleted one too."""
    async with services.database.connection() as conn:
        view = await chats.get_chat(conn, chat_id, principal.user_id)
    if view is None:
        raise EdgeError("not_a_member")
    return view


async def last_seq(services: Services, principal: Principal, chat_id: ChatId) -> Seq:
    """Tell how far a chat's log goes: while that stays, so does everything in the chat."""
    async with services.database.connection() as conn:
        position = await chats.get_position(conn, chat_id, principal.user_id)
    if position is None:
        raise EdgeError("not_a_member")
    return position


async def update_chat(
    services: Services, principal: Principal, chat_id: ChatId, changes: UpdateChatInput
) -> ChatView:
    """Change how a chat looks. None leaves a field; an empty text clears it."""
    photo_url = await stored_photo(services, principal, _cleared(changes.photo_url), chat_id)
    command = UpdateChat(
        chat_id=chat_id,
        actor_id=principal.user_id,
        title=UNSET if changes.title is None else _cleared(changes.title),
        description=UNSET if changes.description is None else _cleared(changes.description),
        photo_url=UNSET if changes.photo_url is None else photo_url,
    )
    try:
        answer = await ask_chat(services, command)
    except ChatRefused as refusal:
        if refusal.reason is RejectReason.INVALID_DATA and command.title is None:
            fault = FieldFault("title", "only a private chat does without a title")
            raise InvalidInput([fault]) from None
        raise
    if not isinstance(answer, Committed):
        return await get_chat(services, principal, chat_id)
    event = answer.event
    assert isinstance(event, ChatUpdated)
    return _view(principal, event)


async def delete_chat(services: Services, principal: Principal, chat_id: ChatId) -> None:
    """Close a chat for all its members. Closing it again changes nothing.

    Raises:
        EdgeError: ``chat_not_found`` to a member who does not own it.
    """
    try:
        await ask_chat(services, DeleteChat(chat_id=chat_id, actor_id=principal.user_id))
    except ChatRefused as refusal:
        if refusal.reason is RejectReason.NOT_ALLOWED:
            raise EdgeError("chat_not_found") from None
        raise


def _check_size(services: Services, principal: Principal, member_ids: tuple[UserId, ...]) -> None:
    others = sum(user_id != principal.user_id for user_id in member_ids)
    if others + 1 > services.settings.max_chat_members:
        raise EdgeError("chat_full")


def _view(principal: Principal, event: ChatCreated | ChatUpdated) -> ChatView:
    """A chat as its event tells it: no need to read it again."""
    role = next(
        (one.role for one in event.members if one.user.id == principal.user_id), Role.MEMBER
    )
    members: tuple[MemberRecord, ...] = event.members
    return ChatView(chat=event.chat, members=members, role=role)


def _cleared(text: str | None) -> str | None:
    """Trim; what holds nothing then is nothing."""
    return None if text is None else text.strip() or None
