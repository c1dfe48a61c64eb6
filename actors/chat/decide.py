"""The rules of a chat: what a command comes to, given the rows as they are under the lock.

Pure: no I/O, no clock, and nothing is changed; ``ChatFacts.apply`` folds the events in afterwards.

- Only active members of an active chat do anything in it. A stranger is told the same whether
  the chat exists or not.
- What was accepted once stays accepted: a repeated ``client_msg_id`` is answered with its first
  message, even after its sender left.
- ``owner > admin > member``. In a channel only owner and admins post.
- A private chat of a pair has two owners; nobody joins, leaves or changes role there; either
  may delete the chat, which frees the pair for a new one.
- A private chat of one (notes) becomes a group when somebody is added.
- A chat always has an owner: the owner hands over or is the last, and the last to leave closes
  the chat.
- Nobody edits words that another wrote: a forwarded copy can be deleted, not edited.

This module holds the guards all commands share; what each command means is in ``decide_messages``,
``decide_chats`` and ``decide_members``.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from actors.chat.decide_chats import create_chat, delete_chat, update_chat
from actors.chat.decide_members import add_member, change_role, remove_member
from actors.chat.decide_messages import (
    delete_message,
    edit_message,
    find_duplicate,
    mark_read,
    send_message,
)
from storage.commands import (
    AddMember,
    AnyCommand,
    ChangeRole,
    CreateChat,
    DeleteChat,
    DeleteMessage,
    EditMessage,
    MarkRead,
    Rejected,
    RejectReason,
    RemoveMember,
    SendMessage,
    UpdateChat,
)
from storage.facts import ChatFacts, Decision

_STRANGER = Rejected(RejectReason.NOT_A_MEMBER)
_DELETED = Rejected(RejectReason.CHAT_DELETED)


def decide(state: ChatFacts, command: AnyCommand, now: datetime) -> Decision:
    """Decide one command; ``now`` stamps its events."""
    if isinstance(command, SendMessage):
        duplicate = find_duplicate(state, command)
        if duplicate is not None:
            return duplicate
    elif isinstance(command, CreateChat):
        return create_chat(state, command, now)
    elif isinstance(command, DeleteChat):
        return delete_chat(state, command, now)
    if state.chat is None:
        return _STRANGER
    if isinstance(command, AddMember) and command.by_invitation:
        return add_member(state, command, now) if state.chat.is_active else _DELETED
    if command.actor_id not in state.members:
        return _STRANGER
    if not state.chat.is_active:
        return _DELETED
    return _decide_as_member(state, command, now)


def _decide_as_member(
    state: ChatFacts,
    command: SendMessage
    | EditMessage
    | DeleteMessage
    | MarkRead
    | UpdateChat
    | AddMember
    | RemoveMember
    | ChangeRole,
    now: datetime,
) -> Decision:
    match command:
        case SendMessage():
            return send_message(state, command, now)
        case MarkRead():
            return mark_read(state, command, now)
        case EditMessage():
            return edit_message(state, command, now)
        case DeleteMessage():
            return delete_message(state, command, now)
        case UpdateChat():
            return update_chat(state, command, now)
        case AddMember():
            return add_member(state, command, now)
        case RemoveMember():
            return remove_member(state, command, now)
        case ChangeRole():
            return change_role(state, command, now)
        case _:
            assert_never(command)
