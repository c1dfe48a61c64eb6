"""Rules of membership: add, remove, leave, roles. Guards of ``decide`` have passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from actors.chat.decide_chats import chat_deleted, chat_updated
from storage.commands import (
    AddMember,
    ChangeRole,
    Rejected,
    RejectReason,
    RemoveMember,
    Unchanged,
)
from storage.events import DurableEvent, MemberAdded, MemberRemoved, MemberUpdated
from storage.facts import ChatFacts, Decision
from storage.ids import Seq, UserId
from storage.records import ChatRecord, ChatType, Role

_NOT_IN_A_PAIR = Rejected(RejectReason.NOT_ALLOWED, "a private chat keeps its two people")


def add_member(state: ChatFacts, command: AddMember, now: datetime) -> Decision:
    """Let someone in; notes become a group first."""
    chat = _chat(state)
    refusal = _refuse_role(state, command)
    if refusal is not None:
        return refusal
    user = state.batch.users.get(command.user_id)
    if user is None:
        return Rejected(RejectReason.USER_NOT_FOUND)
    if command.user_id in state.members:
        return Rejected(RejectReason.ALREADY_A_MEMBER)
    if _is_pair(chat):
        return Rejected(RejectReason.PRIVATE_CHAT_FULL)
    if command.max_members is not None and chat.members_count >= command.max_members:
        return Rejected(RejectReason.CHAT_FULL)
    events: list[DurableEvent] = []
    if chat.type is ChatType.PRIVATE:
        group = replace(state.record(), type=ChatType.GROUP)
        events.append(chat_updated(state, command.actor_id, group, now))
    events.append(
        MemberAdded(
            chat_id=state.id,
            seq=Seq(state.last_seq + len(events) + 1),
            actor_id=command.actor_id,
            at=now,
            user=user,
            role=command.role,
        )
    )
    return tuple(events)


def _refuse_role(state: ChatFacts, command: AddMember) -> Rejected | None:
    if command.role is Role.OWNER:
        return Rejected(RejectReason.NOT_ALLOWED, "ownership is handed over by a member")
    if command.by_invitation:
        return None
    actor = state.members[command.actor_id]
    needed = (Role.OWNER,) if command.role is Role.ADMIN else (Role.OWNER, Role.ADMIN)
    return None if actor.role in needed else Rejected(RejectReason.NOT_ALLOWED)


def remove_member(state: ChatFacts, command: RemoveMember, now: datetime) -> Decision:
    """Leave, or make someone leave."""
    chat = _chat(state)
    if _is_pair(chat):
        return _NOT_IN_A_PAIR
    role = state.members[command.actor_id].role
    if command.user_id == command.actor_id:
        if role is Role.OWNER:
            if chat.members_count > 1:
                return Rejected(RejectReason.OWNER_MUST_TRANSFER)
            return (chat_deleted(state, command.actor_id, now),)
    elif role is Role.MEMBER:
        return Rejected(RejectReason.NOT_ALLOWED)
    else:
        target = state.members.get(command.user_id)
        if target is None:
            return Rejected(RejectReason.MEMBER_NOT_FOUND)
        if role is not Role.OWNER and target.role is not Role.MEMBER:
            return Rejected(RejectReason.NOT_ALLOWED, "an admin removes plain members only")
    return (
        MemberRemoved(
            chat_id=state.id,
            seq=Seq(state.last_seq + 1),
            actor_id=command.actor_id,
            at=now,
            user_id=command.user_id,
        ),
    )


def change_role(state: ChatFacts, command: ChangeRole, now: datetime) -> Decision:
    """Promote, demote, or hand ownership over."""
    if _is_pair(_chat(state)):
        return _NOT_IN_A_PAIR
    if state.members[command.actor_id].role is not Role.OWNER:
        return Rejected(RejectReason.NOT_ALLOWED)
    target = state.members.get(command.user_id)
    if target is None:
        return Rejected(RejectReason.MEMBER_NOT_FOUND)
    if target.role is command.role:
        return Unchanged()
    if command.user_id == command.actor_id:
        return Rejected(RejectReason.OWNER_MUST_TRANSFER)
    changes: list[tuple[UserId, Role]] = [(command.user_id, command.role)]
    if command.role is Role.OWNER:
        changes.insert(0, (command.actor_id, Role.ADMIN))
    return tuple(
        MemberUpdated(
            chat_id=state.id,
            seq=Seq(state.last_seq + number),
            actor_id=command.actor_id,
            at=now,
            user_id=user_id,
            role=role,
        )
        for number, (user_id, role) in enumerate(changes, 1)
    )


def _chat(state: ChatFacts) -> ChatRecord:
    assert state.chat is not None, "guarded by decide"
    return state.chat


def _is_pair(chat: ChatRecord) -> bool:
    return chat.type is ChatType.PRIVATE and chat.members_count > 1
