"""Rules of a chat's own life: create, update, delete."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from storage.commands import (
    UNSET,
    AlreadyExists,
    CreateChat,
    DeleteChat,
    Rejected,
    RejectReason,
    Unchanged,
    UpdateChat,
)
from storage.events import ChatCreated, ChatDeleted, ChatUpdated
from storage.facts import ChatFacts, Decision
from storage.ids import ChatId, Seq, UserId
from storage.records import ChatRecord, ChatType, MemberRecord, Role

_FIRST_SEQ = Seq(1)


def create_chat(state: ChatFacts, command: CreateChat, now: datetime) -> Decision:
    """Open a chat, unless it is there already (see ``CreateChat``)."""
    if state.chat is not None:
        return _existing_chat(state.chat, command)
    users = state.batch.users
    if command.actor_id not in users:
        return Rejected(RejectReason.USER_NOT_FOUND)
    others = [
        user_id
        for user_id in dict.fromkeys(command.member_ids)
        if user_id != command.actor_id and user_id in users
    ]
    is_private = command.type is ChatType.PRIVATE
    if is_private and len(others) > 1:
        return Rejected(RejectReason.PRIVATE_CHAT_FULL)
    is_pair = is_private and len(others) == 1
    existing = (
        _pair_chat(state, command.actor_id, others[0])
        if is_pair
        else _repeated_chat(state, command, {command.actor_id, *others}, now)
    )
    if existing is not None:
        return AlreadyExists(existing)
    members = tuple(
        MemberRecord(
            user=users[user_id],
            role=Role.OWNER if is_pair or user_id == command.actor_id else Role.MEMBER,
            joined_at=now,
            read_seq=_FIRST_SEQ,
            read_message_id=None,
        )
        for user_id in (command.actor_id, *others)
    )
    chat = ChatRecord(
        id=state.id,
        type=command.type,
        title=command.title,
        description=command.description,
        photo_url=command.photo_url,
        created_by=command.actor_id,
        is_active=True,
        last_seq=_FIRST_SEQ,
        members_count=len(members),
        created_at=now,
        updated_at=None,
    )
    return (
        ChatCreated(
            chat_id=state.id,
            seq=_FIRST_SEQ,
            actor_id=command.actor_id,
            at=now,
            chat=chat,
            members=members,
        ),
    )


def _existing_chat(chat: ChatRecord, command: CreateChat) -> Decision:
    if chat.created_by == command.actor_id:
        # The very same command again, after a commit whose answer was lost.
        return AlreadyExists(chat.id)
    return Rejected(RejectReason.INVALID_DATA, "this chat id is taken")


def _pair_chat(state: ChatFacts, one: UserId, other: UserId) -> ChatId | None:
    return state.batch.pairs.get((min(one, other), max(one, other)))


def _repeated_chat(
    state: ChatFacts, command: CreateChat, member_ids: set[UserId], now: datetime
) -> ChatId | None:
    for recent in state.batch.recent_chats.get(command.actor_id, ()):
        facts = state.batch.chats.get(recent.id)
        if (
            recent.type is command.type
            and recent.title == command.title
            and recent.member_ids == member_ids
            and now - recent.created_at <= command.repeat_window
            and (facts is None or facts.last_seq == _FIRST_SEQ)
        ):
            return recent.id
    return None


def update_chat(state: ChatFacts, command: UpdateChat, now: datetime) -> Decision:
    """Change what the chat looks like."""
    if state.members[command.actor_id].role is Role.MEMBER:
        return Rejected(RejectReason.NOT_ALLOWED)
    before = state.record()
    after = replace(
        before,
        title=before.title if command.title is UNSET else command.title,
        description=before.description if command.description is UNSET else command.description,
        photo_url=before.photo_url if command.photo_url is UNSET else command.photo_url,
    )
    if after == before:
        return Unchanged()
    if after.title != before.title and not after.title and before.type is not ChatType.PRIVATE:
        return Rejected(RejectReason.INVALID_DATA, "a group keeps a title")
    return (chat_updated(state, command.actor_id, after, now),)


def chat_updated(
    state: ChatFacts, actor_id: UserId, chat: ChatRecord, now: datetime
) -> ChatUpdated:
    """The chat's next event: it now looks like ``chat``."""
    seq = Seq(state.last_seq + 1)
    return ChatUpdated(
        chat_id=state.id,
        seq=seq,
        actor_id=actor_id,
        at=now,
        chat=replace(chat, last_seq=seq, updated_at=now),
        members=state.member_records(),
    )


def chat_deleted(state: ChatFacts, actor_id: UserId, now: datetime) -> ChatDeleted:
    """The chat's last event."""
    return ChatDeleted(chat_id=state.id, seq=Seq(state.last_seq + 1), actor_id=actor_id, at=now)


def delete_chat(state: ChatFacts, command: DeleteChat, now: datetime) -> Decision:
    """Close the chat for all; closing it again changes nothing."""
    member = state.members.get(command.actor_id)
    if state.chat is None or member is None:
        return Rejected(RejectReason.NOT_A_MEMBER)
    if member.role is not Role.OWNER:
        return Rejected(RejectReason.NOT_ALLOWED)
    if not state.chat.is_active:
        return Unchanged()
    return (chat_deleted(state, command.actor_id, now),)
