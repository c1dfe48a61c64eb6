"""Durable events: the facts of a chat, numbered by ``seq``, in the past tense.

They are what the log hands out, what actors apply and what clients receive. The log stores
references, not text: a replayed ``MessageSent`` shows the message as it stands now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.ids import ChatId, MessageId, Seq, UserId
from storage.records import ChatRecord, MemberRecord, MessageRecord, Role, UserRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all durable events have."""

    chat_id: ChatId
    seq: Seq
    actor_id: UserId
    """Who caused it."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Event):
    """A message or a forwarded copy was added to the chat."""

    message: MessageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(Event):
    """The author changed the text."""

    message: MessageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted(Event):
    """A message was deleted for all; its text is gone from storage."""

    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRead(Event):
    """A member's read cursor moved forward; ``actor_id`` is that member."""

    message_id: MessageId
    read_seq: Seq
    """Everything up to this position is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCreated(Event):
    """First event of every chat."""

    chat: ChatRecord
    members: tuple[MemberRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatUpdated(Event):
    """Title, description, photo or type changed."""

    chat: ChatRecord
    members: tuple[MemberRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDeleted(Event):
    """The chat was closed for all; last event of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAdded(Event):
    """Someone joined, or was added by ``actor_id``."""

    user: UserRecord
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRemoved(Event):
    """Someone left (``actor_id`` is ``user_id``) or was removed."""

    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberUpdated(Event):
    """A member's role changed."""

    user_id: UserId
    role: Role


DurableEvent = (
    MessageSent
    | MessageEdited
    | MessageDeleted
    | MessagesRead
    | ChatCreated
    | ChatUpdated
    | ChatDeleted
    | MemberAdded
    | MemberRemoved
    | MemberUpdated
)
