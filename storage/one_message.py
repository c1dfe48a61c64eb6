"""One message, found by its id alone: its chat, itself, and everybody who has read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    FromClause,
    and_,
    bindparam,
    func,
    lateral,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement

from storage.database import Connection
from storage.ids import ChatId, MessageId, UserId
from storage.mapping import (
    is_member,
    looked_up,
    message_columns,
    message_from,
    shows_reading,
    user_columns,
    user_from,
)
from storage.query import Query
from storage.records import MessageRecord, UserRecord
from storage.tables import media, members, messages, users


@dataclass(frozen=True, slots=True)
class Readers:
    """Who has read one message, a page of them by id."""

    users: tuple[UserRecord, ...]
    total: int
    has_more: bool


_viewer_id: Final = bindparam("viewer_id", type_=BigInteger)
_message_id: Final = bindparam("message_id", type_=BigInteger)
_limit: Final = bindparam("limit", type_=BigInteger)


def shows_reading_of(member: FromClause) -> ColumnElement[bool]:
    """Whether a member lets others see it; a look-up each: a join may hash every person."""
    return func.coalesce(
        select(shows_reading())
        .where(users.c.id == member.c.user_id)
        .correlate(member)
        .scalar_subquery(),
        true(),
    )


_select_place: Final = Query(
    select(messages.c.chat_id).where(
        messages.c.id == _message_id, is_member(messages.c.chat_id, _viewer_id)
    )
)


async def locate_message(
    conn: Connection, message_id: MessageId, viewer_id: UserId
) -> ChatId | None:
    """Find the chat of a message, deleted or not; None when the viewer is not in that chat."""
    row = await conn.fetch_one(_select_place, {"message_id": message_id, "viewer_id": viewer_id})
    return None if row is None else ChatId(row[0])


def _read_one(*guards: ColumnElement[bool]) -> Query:
    return Query(
        select(*message_columns(messages, users, media))
        .select_from(
            messages.join(users, users.c.id == messages.c.sender_id).outerjoin(
                media, media.c.id == messages.c.media_id
            )
        )
        .where(messages.c.id == _message_id, *guards)
    )


_select_one: Final = _read_one()
_select_one_for: Final = _read_one(is_member(messages.c.chat_id, _viewer_id))


async def get_message(conn: Connection, message_id: MessageId) -> MessageRecord | None:
    """Read one message as it stands, for whoever may see all: not access checked."""
    row = await conn.fetch_one(_select_one, {"message_id": message_id})
    return None if row is None else message_from(row)


async def get_message_for(
    conn: Connection, message_id: MessageId, viewer_id: UserId
) -> MessageRecord | None:
    """Read one message as it stands; None when the viewer is not in its chat."""
    params = {"message_id": message_id, "viewer_id": viewer_id}
    row = await conn.fetch_one(_select_one_for, params)
    return None if row is None else message_from(row)


def _read_readers() -> Query:
    has_read = and_(
        members.c.chat_id == messages.c.chat_id,
        members.c.read_seq >= messages.c.seq,
        members.c.user_id != messages.c.sender_id,
        shows_reading_of(members),
    )
    total = select(func.count()).select_from(members).where(has_read).correlate(messages)
    chosen = lateral(
        select(members.c.user_id)
        .where(has_read, members.c.user_id > bindparam("after_id", type_=BigInteger))
        .order_by(members.c.user_id)
        .limit(_limit)
        .correlate(messages)
    ).alias("chosen")
    reader = looked_up(users, by=chosen.c.user_id, name="reader")
    return Query(
        select(total.scalar_subquery(), *user_columns(reader))
        .select_from(messages.outerjoin(chosen, true()).outerjoin(reader, true()))
        .where(messages.c.id == _message_id, is_member(messages.c.chat_id, _viewer_id))
        .order_by(chosen.c.user_id)
    )


_select_readers: Final = _read_readers()


async def readers(
    conn: Connection,
    message_id: MessageId,
    viewer_id: UserId,
    *,
    after_id: UserId | None = None,
    limit: int = 50,
) -> Readers | None:
    """Read who has read one message, by id from ``after_id`` on.

    The sender is left out, and so is who does not show read receipts.

    Returns:
        None when there is no such message or the viewer is not in its chat.
    """
    params = {
        "message_id": message_id,
        "viewer_id": viewer_id,
        "after_id": after_id or 0,
        "limit": limit + 1,
    }
    rows = await conn.fetch_all(_select_readers, params)
    if not rows:
        return None
    found = tuple(user_from(row, 1) for row in rows if row[1] is not None)
    return Readers(users=found[:limit], total=rows[0][0], has_more=len(found) > limit)
