"""Commands that change a chat, in the imperative, and how each of them can end.

One vocabulary from the use case to the database: a use case asks the chat's actor, the actor
hands what waits to the group writer, and the writer decides every command on the rows as they
are under the chat's lock (``actors.chat.decide``), whatever anybody believed before. A refused
command fails alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from storage.events import DurableEvent
from storage.ids import ChatId, MediaId, MessageId, Seq, UserId
from storage.records import ChatType, Role, UserRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What all commands have."""

    chat_id: ChatId
    actor_id: UserId
    """Who asks. Guard: an active member of an active chat, unless said otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage(Command):
    """Becomes ``MessageSent``; ``actor_id`` is the sender.

    Guards: ``sender`` is a member (in a channel: owner or admin); a reply points to a message
    of the same chat that is not deleted; ``media_id`` belongs to the sender (or comes with the
    forwarded message), and its kind is the message's type; ``client_msg_id`` unseen for this
    sender, else ``Duplicate`` (also after the sender left: it had been accepted) or
    ``CLIENT_MSG_ID_REUSED``.
    """

    sender: UserRecord
    """As shown with the message; not written by the command."""
    text: str | None
    message_type: str = "text"
    reply_to_message_id: MessageId | None = None
    media_id: MediaId | None = None
    client_msg_id: str | None = None
    forward_message_id: MessageId | None = None
    """Source of a forward: text, type, media and origin are copied from it under the lock.

    Guard: the source is not deleted (``MESSAGE_NOT_FOUND``) and the sender is a member of its
    active chat (``NOT_A_MEMBER``). A copy of a copy keeps the first origin.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage(Command):
    """Becomes ``MessageEdited``.

    Guards: own message, not deleted, younger than the window, and not a forwarded copy
    (``NOT_ALLOWED``: nobody edits words that another wrote).
    """

    message_id: MessageId
    text: str
    """Blank: a message with a file goes without words; any other is refused (``INVALID_DATA``)."""
    edit_window: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMessage(Command):
    """Becomes ``MessageDeleted``.

    Guards: not deleted yet; own message, or the actor is the chat's owner or an admin.
    """

    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead(Command):
    """Becomes ``MessagesRead``, or ``Unchanged`` when the cursor is already there."""

    message_id: MessageId | None = None
    """Up to and with this message of the chat, deleted or not; None: everything."""
    is_silent: bool = False
    """The reader hides it: the cursor moves, the log stays as it is (``CursorMoved``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChat(Command):
    """Becomes ``ChatCreated`` with seq 1; ``actor_id`` becomes the owner.

    ``chat_id`` comes from ``chats.next_chat_id``. Unknown ids and the actor's own id among
    ``member_ids`` are skipped. ``AlreadyExists`` when it is a private chat of a pair that has
    one, or when the same actor created the same chat (type, title, members) within
    ``repeat_window``, as one of their last five, and nothing but its creation is in its log: a
    client's retry. The Mini App asks three times, and waits a minute for each answer.
    """

    type: ChatType
    title: str | None
    description: str | None = None
    photo_url: str | None = None
    member_ids: tuple[UserId, ...] = ()
    repeat_window: timedelta = timedelta(minutes=4)


class _Unset(StrEnum):
    UNSET = "unset"


UNSET = _Unset.UNSET
"""Leave this field of a chat as it is (``None`` clears it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateChat(Command):
    """Becomes ``ChatUpdated``. Guard: owner or admin."""

    title: str | _Unset | None = UNSET
    description: str | _Unset | None = UNSET
    photo_url: str | _Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteChat(Command):
    """Becomes ``ChatDeleted``, or ``Unchanged`` when it is deleted already. Guard: the owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMember(Command):
    """Becomes ``MemberAdded``.

    Guards: the actor is owner or admin (the owner to add an admin; nobody need be anything with
    ``by_invitation``); the user exists and is not a member; a pair's private chat takes no third.
    Adding someone to a private chat of one makes it a group first (``ChatUpdated`` with the
    preceding seq, part of the same outcome).
    """

    user_id: UserId
    role: Role = Role.MEMBER
    by_invitation: bool = False
    max_members: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember(Command):
    """Becomes ``MemberRemoved``.

    Guards: oneself; or the actor is the owner; or the actor is an admin and the user a plain
    member. Nobody leaves a pair. The owner can not leave while others are there
    (``OWNER_MUST_TRANSFER``); alone, leaving closes the chat: the event is ``ChatDeleted``.
    """

    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRole(Command):
    """Becomes ``MemberUpdated``.

    Guards: promotions and demotions by the owner; ``Role.OWNER`` hands ownership over and
    makes the old owner an admin (two events in one outcome).
    """

    user_id: UserId
    role: Role


AnyCommand = (
    SendMessage
    | EditMessage
    | DeleteMessage
    | MarkRead
    | CreateChat
    | UpdateChat
    | DeleteChat
    | AddMember
    | RemoveMember
    | ChangeRole
)


class RejectReason(StrEnum):
    """Why a command was refused. Stable: clients see these as error codes."""

    NOT_A_MEMBER = "not_a_member"
    """Also: no such chat. A stranger can not tell the two apart."""
    CHAT_DELETED = "chat_deleted"
    NOT_ALLOWED = "not_allowed"
    MESSAGE_NOT_FOUND = "message_not_found"
    """Also: another's message, or one already deleted."""
    EDIT_WINDOW_PASSED = "edit_window_passed"
    REPLY_NOT_FOUND = "reply_not_found"
    MEDIA_NOT_FOUND = "media_not_found"
    CLIENT_MSG_ID_REUSED = "client_msg_id_reused"
    USER_NOT_FOUND = "user_not_found"
    ALREADY_A_MEMBER = "already_a_member"
    MEMBER_NOT_FOUND = "member_not_found"
    PRIVATE_CHAT_FULL = "private_chat_full"
    CHAT_FULL = "chat_full"
    OWNER_MUST_TRANSFER = "owner_must_transfer"
    INVALID_DATA = "invalid_data"
    """PostgreSQL refused the values (too long, out of range, not storable text)."""


@dataclass(frozen=True, slots=True)
class Committed:
    """It is in the database; ``events`` in seq order, the asked-for event last."""

    events: tuple[DurableEvent, ...]

    @property
    def event(self) -> DurableEvent:
        """The event that was asked for."""
        return self.events[-1]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same ``client_msg_id`` was appended before: its event, nothing was written."""

    event: DurableEvent


@dataclass(frozen=True, slots=True)
class AlreadyExists:
    """The chat was there before (see ``CreateChat``), nothing was written."""

    chat_id: ChatId


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to do (a read cursor already there), nothing was written."""


@dataclass(frozen=True, slots=True)
class CursorMoved:
    """It is in the database, and no event tells of it: a silent ``MarkRead``."""

    message_id: MessageId
    read_seq: Seq
    """Everything up to this position is read."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A guard refused it, nothing was written for it."""

    reason: RejectReason
    message: str = field(default="")


Outcome = Committed | CursorMoved | Duplicate | AlreadyExists | Unchanged | Rejected


class EventAppender(Protocol):
    """The port through which actors write; ``GroupWriter`` is the real one."""

    async def append(
        self, commands: Sequence[AnyCommand], request_ids: Sequence[str | None] = ()
    ) -> Sequence[Outcome]:
        """Commit commands of **one chat**, in order, merged with whatever else waits.

        Returns one outcome per command, after the commit. A cancelled caller does not undo
        what was handed over. ``request_ids`` say in the log whose requests these are.

        Raises:
            storage.errors.Overloaded: the queue is full; nothing was queued.
            storage.errors.Unavailable: the database is away; nothing was written.
            storage.errors.CommitUnknown: the connection broke during COMMIT. The caller has
                to reload from the database before it trusts its memory.
        """
        ...
