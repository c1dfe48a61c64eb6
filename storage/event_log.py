"""The event log as catching up reads it: whole events, rebuilt from references.

The log holds ids. What they refer to is read as it stands now, so a replay shows a message that
was edited as it reads today, and one that was deleted without its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    and_,
    bindparam,
    lateral,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement

from storage.connection import Row
from storage.database import Connection
from storage.event_rows import (
    EVENT_CODES,
    CurrentRows,
    EventRow,
    decode_event,
    target_user_id,
)
from storage.events import (
    ChatCreated,
    ChatUpdated,
    DurableEvent,
    MemberAdded,
    MessageEdited,
    MessageSent,
)
from storage.ids import ChatId, MessageId, Seq, UserId
from storage.mapping import (
    CHAT_WIDTH,
    MEDIA_WIDTH,
    chat_columns,
    chat_from,
    looked_up,
    media_columns,
    media_from,
    member_columns,
    member_from,
    message_with,
    own_message_columns,
)
from storage.query import Query
from storage.records import MemberRecord, MessageRecord, UserRecord
from storage.tables import chats, events, media, members, messages, users
from storage.users import get_users


@dataclass(frozen=True, slots=True)
class EventPage:
    """A stretch of a chat's log, in ``seq`` order without gaps."""

    events: tuple[DurableEvent, ...]
    last_seq: Seq
    """The chat's newest event, whether it is in this page or not; 0: no such chat."""
    has_more: bool
    """Events follow this page."""
    too_far: bool
    """The log no longer reaches back to the cursor: load the chat afresh. No events then."""
    read_seq: Seq | None = None
    """How far the viewer has read the chat; None without a viewer."""


_NOTHING: Final = EventPage(events=(), last_seq=Seq(0), has_more=False, too_far=False)

_chat_id: Final = bindparam("chat_id", type_=BigInteger)
_after: Final = bindparam("after", type_=BigInteger)
_viewer_id: Final = bindparam("viewer_id", type_=BigInteger)
_viewer: Final = members.alias("viewer")

_EVENT: Final = (
    "seq",
    "type",
    "actor_id",
    "message_id",
    "data",
    "at",
)
_FLOOR_AT: Final = CHAT_WIDTH
_EVENT_AT: Final = _FLOOR_AT + 1
_SENDER_AT: Final = _EVENT_AT + len(_EVENT)
_MEDIA_AT: Final = _SENDER_AT + 1
_READ_AT: Final = _MEDIA_AT + MEDIA_WIDTH
_MESSAGE_AT: Final = _READ_AT + 1

_SHOWS_MESSAGE: Final = (EVENT_CODES[MessageSent], EVENT_CODES[MessageEdited])
_SHOWS_CHAT: Final = frozenset({EVENT_CODES[ChatCreated], EVENT_CODES[ChatUpdated]})


def _read(*, for_viewer: bool) -> Query:
    """Select the chat, its floor, and its next events, each with its message and media."""
    following = lateral(
        select(*(events.c[name] for name in _EVENT))
        .where(
            events.c.chat_id == chats.c.id,
            events.c.seq > _after,
            # Below the floor there is nothing whole to give.
            _after >= chats.c.log_floor_seq,
        )
        .order_by(events.c.seq)
        .limit(bindparam("limit", type_=BigInteger))
        .correlate(chats)
    ).alias("following")
    shown = lateral(
        select(messages)
        .where(
            messages.c.chat_id == chats.c.id,
            messages.c.id == following.c.message_id,
            or_(*(following.c.type == literal_column(str(code)) for code in _SHOWS_MESSAGE)),
        )
        .offset(literal_column("0"))
        .correlate(chats, following)
    ).alias("shown")
    file = looked_up(media, by=shown.c.media_id, name="file")
    read_seq: ColumnElement[int] = literal_column("NULL", BigInteger)
    source = chats.outerjoin(following, true()).outerjoin(shown, true()).outerjoin(file, true())
    if for_viewer:
        source = source.join(
            _viewer, and_(_viewer.c.chat_id == chats.c.id, _viewer.c.user_id == _viewer_id)
        )
        read_seq = _viewer.c.read_seq
    return Query(
        select(
            *chat_columns(),
            chats.c.log_floor_seq,
            *(following.c[name] for name in _EVENT),
            shown.c.sender_id,
            *media_columns(file),
            read_seq,
            *own_message_columns(shown),
        )
        .select_from(source)
        .where(chats.c.id == _chat_id)
        .order_by(following.c.seq)
    )


_select_events: Final = _read(for_viewer=False)
_select_events_for: Final = _read(for_viewer=True)
_person: Final = looked_up(users, by=members.c.user_id, name="person")
_select_members: Final = Query(
    select(*member_columns(members, _person))
    .select_from(members.join(_person, true()))
    .where(members.c.chat_id == _chat_id)
    .order_by(members.c.joined_at, members.c.user_id)
)


async def read_events(conn: Connection, chat_id: ChatId, after: Seq, limit: int) -> EventPage:
    """Read up to ``limit`` events that follow ``after``, for the chat's owner task.

    Not access checked: see ``read_events_for``. At most three queries, whatever the events.
    """
    rows = await conn.fetch_all(
        _select_events, {"chat_id": chat_id, "after": after, "limit": limit}
    )
    return await _page(conn, rows, after)


async def read_events_for(
    conn: Connection, chat_id: ChatId, viewer_id: UserId, after: Seq, limit: int
) -> EventPage | None:
    """Read events as ``read_events`` does; None for a stranger or an unknown chat."""
    params = {"chat_id": chat_id, "viewer_id": viewer_id, "after": after, "limit": limit}
    rows = await conn.fetch_all(_select_events_for, params)
    return await _page(conn, rows, after) if rows else None


async def _page(conn: Connection, rows: Sequence[Row], after: Seq) -> EventPage:
    if not rows:
        return _NOTHING
    chat = chat_from(rows[0])
    read_seq = rows[0][_READ_AT]
    if after < rows[0][_FLOOR_AT]:
        return EventPage(
            events=(), last_seq=chat.last_seq, has_more=False, too_far=True, read_seq=read_seq
        )
    found = [row for row in rows if row[_EVENT_AT] is not None]
    log = [_event_row(chat.id, row) for row in found]
    people = await _people(conn, found, log)
    current = CurrentRows(
        chat=chat,
        members=await _members(conn, chat.id, log),
        messages=_messages(found, people),
        users=people,
    )
    reached = log[-1].seq if log else max(after, chat.last_seq)
    return EventPage(
        events=tuple(decode_event(row, current) for row in log),
        last_seq=chat.last_seq,
        has_more=reached < chat.last_seq,
        too_far=False,
        read_seq=read_seq,
    )


def _event_row(chat_id: ChatId, row: Row) -> EventRow:
    seq, code, actor_id, message_id, data, at = row[_EVENT_AT:_SENDER_AT]
    return EventRow(
        chat_id=chat_id,
        seq=seq,
        type=code,
        actor_id=actor_id,
        message_id=message_id,
        data=data,
        at=at,
    )


async def _people(
    conn: Connection, found: Sequence[Row], log: Sequence[EventRow]
) -> Mapping[UserId, UserRecord]:
    """Read the senders of the messages and those who were added, each once."""
    wanted = {UserId(row[_SENDER_AT]) for row in found if row[_SENDER_AT] is not None}
    for row in log:
        added = target_user_id(row) if row.type == EVENT_CODES[MemberAdded] else None
        if added is not None:
            wanted.add(added)
    return {user.id: user for user in await get_users(conn, sorted(wanted))}


async def _members(
    conn: Connection, chat_id: ChatId, log: Sequence[EventRow]
) -> tuple[MemberRecord, ...]:
    if not any(row.type in _SHOWS_CHAT for row in log):
        return ()
    rows = await conn.fetch_all(_select_members, {"chat_id": chat_id})
    return tuple(member_from(row) for row in rows)


def _messages(
    found: Sequence[Row], people: Mapping[UserId, UserRecord]
) -> Mapping[MessageId, MessageRecord]:
    return {
        MessageId(row[_MESSAGE_AT]): message_with(
            row[_MESSAGE_AT:], people[UserId(row[_SENDER_AT])], media_from(row, _MEDIA_AT)
        )
        for row in found
        if row[_SENDER_AT] is not None
    }
