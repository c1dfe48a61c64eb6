"""Which columns make up a record, and how a row of them becomes one.

Statements select these column lists in this order; a mapper takes the row and where in it the
record's columns begin. Both stand side by side so that they change together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import FromClause, Select, Table, lateral, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement

from storage import tables
from storage.ids import ChatId, MediaId, MessageId, Seq, UserId
from storage.records import (
    ChatRecord,
    ChatType,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    Role,
    UserRecord,
)

Row = Sequence[Any]
"""A row as the driver gives it: the one place where types come from the schema, not from mypy."""

_USER: Final = (
    "id",
    "first_name",
    "last_name",
    "username",
    "language_code",
    "is_premium",
    "profile_photo_url",
    "bio",
    "is_admin",
    "created_at",
    "updated_at",
)
_CHAT: Final = (
    "id",
    "type",
    "title",
    "description",
    "photo_url",
    "created_by",
    "is_active",
    "last_seq",
    "members_count",
    "created_at",
    "updated_at",
)
_MEMBER: Final = ("role", "joined_at", "read_seq", "read_message_id")
_MEMBER_WIDTH: Final = len(_MEMBER) + 1
_MEDIA: Final = (
    "id",
    "uploader_id",
    "message_type",
    "media_type",
    "size_bytes",
    "duration_seconds",
    "width",
    "height",
    "filename",
    "has_thumbnail",
    "waveform",
)
_MESSAGE: Final = (
    "id",
    "chat_id",
    "seq",
    "text",
    "message_type",
    "reply_to_message_id",
    "forward_from_user_id",
    "forward_from_chat_id",
    "client_msg_id",
    "is_edited",
    "is_deleted",
    "created_at",
    "updated_at",
)

USER_WIDTH: Final = len(_USER)
CHAT_WIDTH: Final = len(_CHAT)
MEDIA_WIDTH: Final = len(_MEDIA)
_MESSAGE_WIDTH: Final = len(_MESSAGE)
MESSAGE_WIDTH: Final = _MESSAGE_WIDTH + USER_WIDTH + MEDIA_WIDTH
"""Columns of a message with its sender and its media."""
MESSAGE_SEQ: Final = _MESSAGE.index("seq")
MESSAGE_SENDER: Final = _MESSAGE_WIDTH
"""Where a message's place and its sender's id are among its columns."""

_CHAT_TYPES: Final = {kind.value: kind for kind in ChatType}
ROLES: Final = {role.value: role for role in Role}
"""By name: a third of the time of calling the enum, and the writer does it for every command."""

Columns = list[ColumnElement[Any]]


def user_columns(source: FromClause = tables.users) -> Columns:
    """Columns for ``user_from``."""
    return _columns(source, _USER)


def chat_columns(source: FromClause = tables.chats) -> Columns:
    """Columns for ``chat_from``."""
    return _columns(source, _CHAT)


def member_columns(source: FromClause = tables.members, user: FromClause = tables.users) -> Columns:
    """Columns for ``member_from``: the membership, then the person."""
    return [*_columns(source, _MEMBER), shows_reading(user), *user_columns(user)]


def shows_reading(user: FromClause = tables.users) -> ColumnElement[bool]:
    """Whether a person lets others see how far they have read."""
    hides = literal_column("""'{"show_read_receipts": false}'::jsonb""", JSONB)
    return ~user.c.privacy.contains(hides)


def media_columns(source: FromClause = tables.media) -> Columns:
    """Columns for ``media_from``."""
    return _columns(source, _MEDIA)


def own_message_columns(message: FromClause) -> Columns:
    """Columns for ``message_with``: the message without sender and media."""
    return _columns(message, _MESSAGE)


def message_columns(message: FromClause, sender: FromClause, media: FromClause) -> Columns:
    """Columns for ``message_from``: the message, its sender, its media (outer join)."""
    return own_message_columns(message) + user_columns(sender) + media_columns(media)


def looked_up(source: Table, *, by: ColumnElement[Any], name: str) -> FromClause:
    """A row of ``source`` per outer row, found by its ``id``; join it ``ON true``.

    A plain join leaves PostgreSQL the choice to read the whole table and hash it, which it takes
    for fifty messages in a database of ten thousand people. ``OFFSET 0`` leaves one plan.
    """
    return lateral(select(source).where(source.c.id == by).offset(literal_column("0"))).alias(name)


def is_member(chat_id: ColumnElement[int], user_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether somebody is in a chat that another row names: one look-up by both.

    As a join or a plain EXISTS, PostgreSQL may read all chats of the person to find the one.
    """
    member = tables.members.alias("is_member")
    found: Select[Any] = (
        select(literal_column("1"))
        .where(member.c.chat_id == chat_id, member.c.user_id == user_id)
        .offset(literal_column("0"))
    )
    return found.correlate_except(member).exists()


def user_from(row: Row, start: int = 0) -> UserRecord:
    """Build a person from the columns that begin at ``start``."""
    return UserRecord(*row[start : start + USER_WIDTH])


def chat_from(row: Row, start: int = 0) -> ChatRecord:
    """Build a chat from the columns that begin at ``start``."""
    return ChatRecord(row[start], _CHAT_TYPES[row[start + 1]], *row[start + 2 : start + CHAT_WIDTH])


def member_from(row: Row, start: int = 0) -> MemberRecord:
    """Build a membership from the columns that begin at ``start``."""
    person_at = start + _MEMBER_WIDTH
    role, joined_at, read_seq, read_message_id, is_shown = row[start:person_at]
    return MemberRecord(
        user=user_from(row, person_at),
        role=ROLES[role],
        joined_at=joined_at,
        read_seq=Seq(read_seq),
        read_message_id=read_message_id,
        shows_reading=is_shown,
    )


def media_from(row: Row, start: int = 0) -> MediaRecord | None:
    """Build a file from the columns that begin at ``start``; None after an outer join."""
    if row[start] is None:
        return None
    return MediaRecord(MediaId(row[start]), *row[start + 1 : start + MEDIA_WIDTH])


def message_from(
    row: Row,
    start: int = 0,
    *,
    senders: dict[UserId, UserRecord] | None = None,
    read_by: tuple[UserId, ...] = (),
) -> MessageRecord | None:
    """Build a message with sender and media; None after an outer join.

    Args:
        row: the row.
        start: where the columns of ``message_columns`` begin.
        senders: people built before, so that a page has one object per person.
        read_by: goes into the record as it is.
    """
    if row[start] is None:
        return None
    sender_at = start + _MESSAGE_WIDTH
    sender_id = UserId(row[sender_at])
    sender = None if senders is None else senders.get(sender_id)
    if sender is None:
        sender = user_from(row, sender_at)
        if senders is not None:
            senders[sender_id] = sender
    return message_with(
        row[start:sender_at], sender, media_from(row, sender_at + USER_WIDTH), read_by
    )


def message_with(
    row: Row,
    sender: UserRecord,
    media: MediaRecord | None,
    read_by: tuple[UserId, ...] = (),
) -> MessageRecord:
    """Build a message from its own columns and what they refer to."""
    (
        message_id,
        chat_id,
        seq,
        text,
        message_type,
        reply_to_message_id,
        forward_from_user_id,
        forward_from_chat_id,
        client_msg_id,
        is_edited,
        is_deleted,
        created_at,
        updated_at,
    ) = row
    return MessageRecord(
        id=MessageId(message_id),
        chat_id=ChatId(chat_id),
        seq=Seq(seq),
        sender=sender,
        text=text,
        message_type=message_type,
        reply_to_message_id=reply_to_message_id,
        media=media,
        forward_from_user_id=forward_from_user_id,
        forward_from_chat_id=forward_from_chat_id,
        client_msg_id=client_msg_id,
        is_edited=is_edited,
        is_deleted=is_deleted,
        created_at=created_at,
        updated_at=updated_at,
        read_by=read_by,
    )


def _columns(source: FromClause, names: Sequence[str]) -> Columns:
    return [source.c[name] for name in names]
