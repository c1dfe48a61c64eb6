"""How a durable event lies in the ``events`` table, shared by the writer and the reader.

A row holds who, what, when and ids; never text, titles or names. ``EVENT_CODES`` is stored, so a
code is never given to another class; new classes take new codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, assert_never

from storage.events import (
    ChatCreated,
    ChatDeleted,
    ChatUpdated,
    DurableEvent,
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    MessagesRead,
)
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.records import ChatRecord, MemberRecord, MessageRecord, Role, UserRecord

EVENT_CODES: Final[Mapping[type[DurableEvent], int]] = MappingProxyType(
    {
        MessageSent: 1,
        MessageEdited: 2,
        MessageDeleted: 3,
        MessagesRead: 4,
        ChatCreated: 5,
        ChatUpdated: 6,
        ChatDeleted: 7,
        MemberAdded: 8,
        MemberRemoved: 9,
        MemberUpdated: 10,
    }
)
"""``events.type`` of each class."""

EVENT_CLASSES: Final[Mapping[int, type[DurableEvent]]] = MappingProxyType(
    {code: event_class for event_class, code in EVENT_CODES.items()}
)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of ``events``, column by column."""

    chat_id: ChatId
    seq: Seq
    type: int
    actor_id: UserId
    message_id: MessageId | None
    data: Mapping[str, int | str] | None
    """``user_id`` and ``role`` of member events, ``read_seq`` of reads."""
    at: datetime


def encode_event(event: DurableEvent) -> EventRow:
    """Reduce an event to what the log keeps of it."""
    message_id: MessageId | None = None
    data: dict[str, int | str] | None = None
    match event:
        case MessageSent() | MessageEdited():
            message_id = event.message.id
        case MessageDeleted():
            message_id = event.message_id
        case MessagesRead():
            message_id = event.message_id
            data = {"read_seq": event.read_seq}
        case MemberAdded():
            data = {"user_id": event.user.id, "role": event.role.value}
        case MemberRemoved():
            data = {"user_id": event.user_id}
        case MemberUpdated():
            data = {"user_id": event.user_id, "role": event.role.value}
        case ChatCreated() | ChatUpdated() | ChatDeleted():
            pass
        case _:
            assert_never(event)
    return EventRow(
        chat_id=event.chat_id,
        seq=event.seq,
        type=EVENT_CODES[type(event)],
        actor_id=event.actor_id,
        message_id=message_id,
        data=data,
        at=event.at,
    )


@dataclass(frozen=True, slots=True)
class CurrentRows:
    """What the events of one chat refer to, as it stands now."""

    chat: ChatRecord
    members: tuple[MemberRecord, ...]
    """Needed only where ``chat_created`` or ``chat_updated`` is among the events."""
    messages: Mapping[MessageId, MessageRecord]
    users: Mapping[UserId, UserRecord]


def decode_event(row: EventRow, current: CurrentRows) -> DurableEvent:
    """Rebuild the complete event from its row and what it refers to.

    Raises:
        KeyError: ``current`` lacks a message or user that the row names, or the code is unknown
            (written by a newer version).
    """
    chat_id, seq, actor_id, at = row.chat_id, row.seq, row.actor_id, row.at
    event_class = EVENT_CLASSES[row.type]
    if event_class is MessageSent or event_class is MessageEdited:
        return event_class(
            chat_id=chat_id,
            seq=seq,
            actor_id=actor_id,
            at=at,
            message=current.messages[_message_id(row)],
        )
    if event_class is ChatCreated or event_class is ChatUpdated:
        return event_class(
            chat_id=chat_id,
            seq=seq,
            actor_id=actor_id,
            at=at,
            chat=current.chat,
            members=current.members,
        )
    if event_class is MessageDeleted:
        return MessageDeleted(
            chat_id=chat_id, seq=seq, actor_id=actor_id, at=at, message_id=_message_id(row)
        )
    if event_class is MessagesRead:
        return MessagesRead(
            chat_id=chat_id,
            seq=seq,
            actor_id=actor_id,
            at=at,
            message_id=_message_id(row),
            read_seq=Seq(int(_data(row)["read_seq"])),
        )
    if event_class is ChatDeleted:
        return ChatDeleted(chat_id=chat_id, seq=seq, actor_id=actor_id, at=at)
    return _decode_member_event(row, event_class, current)


def target_user_id(row: EventRow) -> UserId | None:
    """Whom a member event is about."""
    if row.data is None or "user_id" not in row.data:
        return None
    return UserId(int(row.data["user_id"]))


def _decode_member_event(
    row: EventRow, event_class: type[DurableEvent], current: CurrentRows
) -> DurableEvent:
    data = _data(row)
    user_id = UserId(int(data["user_id"]))
    chat_id, seq, actor_id, at = row.chat_id, row.seq, row.actor_id, row.at
    if event_class is MemberRemoved:
        return MemberRemoved(chat_id=chat_id, seq=seq, actor_id=actor_id, at=at, user_id=user_id)
    role = Role(str(data["role"]))
    if event_class is MemberUpdated:
        return MemberUpdated(
            chat_id=chat_id, seq=seq, actor_id=actor_id, at=at, user_id=user_id, role=role
        )
    return MemberAdded(
        chat_id=chat_id, seq=seq, actor_id=actor_id, at=at, user=current.users[user_id], role=role
    )


def _message_id(row: EventRow) -> MessageId:
    assert row.message_id is not None, "written by encode_event with a message"
    return row.message_id


def _data(row: EventRow) -> Mapping[str, int | str]:
    assert row.data is not None, "written by encode_event with data"
    return row.data
