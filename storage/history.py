"""Messages of one chat as its members read them.

Every read checks membership in the same statement. Deleted messages are left out. ``total`` is
the counter of the chat's row, so a first page costs the same whether the chat holds a thousand
messages or a million.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import (
    BigInteger,
    FromClause,
    ScalarSelect,
    Subquery,
    and_,
    bindparam,
    exists,
    func,
    lateral,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from storage.connection import Row
from storage.database import Connection
from storage.ids import ChatId, MessageId, UserId
from storage.mapping import message_columns, message_from, user_columns, user_from
from storage.query import Query
from storage.records import MessageRecord, UserRecord
from storage.tables import chats, media, members, messages, users

_END_OF_LOG: Final[ColumnElement[int]] = literal_column("9223372036854775807")
_MAX_OFFSET: Final = 2**62


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of messages: page 1 holds the newest; inside a page the oldest comes first."""

    messages: tuple[MessageRecord, ...]
    total: int
    page: int
    per_page: int

    @property
    def has_next(self) -> bool:
        """Whether there are older messages than this page's."""
        return self.page * self.per_page < self.total

    @property
    def has_prev(self) -> bool:
        """Whether a page with newer messages comes before this one."""
        return self.page > 1


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """Neighbouring messages around a place in the chat, the oldest first."""

    messages: tuple[MessageRecord, ...]
    total: int
    """Of the whole chat, as in a page."""
    has_older: bool
    has_newer: bool


@dataclass(frozen=True, slots=True)
class Readers:
    """Who has read one message, a page of them by id."""

    users: tuple[UserRecord, ...]
    total: int
    has_more: bool


_chat_id: Final = bindparam("chat_id", type_=BigInteger)
_viewer_id: Final = bindparam("viewer_id", type_=BigInteger)
_message_id: Final = bindparam("message_id", type_=BigInteger)
_limit: Final = bindparam("limit", type_=BigInteger)
_offset: Final = bindparam("offset", type_=BigInteger)

_viewer: Final = members.alias("viewer")
_views_chat: Final = and_(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _viewer_id)

# Live messages of the chat as the partial index holds them, without touching the table.
_live: Final = select(messages.c.seq).where(messages.c.chat_id == _chat_id, ~messages.c.is_deleted)


def _read_messages(seqs: FromClause, *extra: ColumnElement[bool]) -> Query:
    """Select ``total``, the extras, and the messages at ``seqs``; no row for a stranger.

    A member of a chat without such messages gets one row without a message.
    """
    return Query(
        select(chats.c.live_messages, *extra, *message_columns(messages, users, media))
        .select_from(
            _viewer.join(chats, chats.c.id == _viewer.c.chat_id)
            .outerjoin(seqs, true())
            .outerjoin(
                messages,
                and_(messages.c.chat_id == _viewer.c.chat_id, messages.c.seq == seqs.c.seq),
            )
            .outerjoin(users, users.c.id == messages.c.sender_id)
            .outerjoin(media, media.c.id == messages.c.media_id)
        )
        .where(_views_chat)
        .order_by(seqs.c.seq)
    )


_select_page: Final = _read_messages(
    _live.order_by(messages.c.seq.desc()).limit(_limit).offset(_offset).subquery("chosen")
)

# The cursors of all members; who has read what follows from them for a whole page at once.
_select_cursors: Final = Query(
    select(members.c.read_seq, members.c.user_id)
    .where(members.c.chat_id == _chat_id, exists().where(_views_chat))
    .order_by(members.c.read_seq, members.c.user_id)
)


async def page(
    conn: Connection, chat_id: ChatId, viewer_id: UserId, page: int = 1, per_page: int = 50
) -> HistoryPage | None:
    """Read a page of a chat, with who has read what; one round trip.

    Pages far back cost an index entry per message skipped; ``window`` does not.

    Returns:
        None for a stranger and for a chat that does not exist.
    """
    params = {
        "chat_id": chat_id,
        "viewer_id": viewer_id,
        "limit": per_page,
        "offset": min((page - 1) * per_page, _MAX_OFFSET),
    }
    rows, cursors = await conn.fetch_many([(_select_page, params), (_select_cursors, params)])
    if not rows:
        return None
    return HistoryPage(
        messages=_with_readers(rows, 1, cursors), total=rows[0][0], page=page, per_page=per_page
    )


def _with_readers(
    rows: Iterable[Row], start: int, cursors: Sequence[Row]
) -> tuple[MessageRecord, ...]:
    """Build the messages of a page; ``cursors`` are (read_seq, user_id) in that order."""
    senders: dict[UserId, UserRecord] = {}
    read_by: dict[tuple[int, UserId], tuple[UserId, ...]] = {}
    positions = [cursor[0] for cursor in cursors]
    readers = [UserId(cursor[1]) for cursor in cursors]
    found = []
    for row in rows:
        message = message_from(row, start, senders=senders)
        if message is None:
            continue
        first = bisect_left(positions, message.seq)
        key = (first, message.sender.id)
        if key not in read_by:
            read_by[key] = tuple(sorted(one for one in readers[first:] if one != key[1]))
        found.append(replace(message, read_by=read_by[key]) if read_by[key] else message)
    return tuple(found)


def _edge(*, is_lower: bool) -> ScalarSelect[int]:
    """Place in the log of a message that need not exist: that of its neighbour in the chat."""
    column = messages.c.id
    return (
        select(messages.c.seq)
        .where(
            messages.c.chat_id == _chat_id,
            column <= _message_id if is_lower else column >= _message_id,
        )
        .order_by(column.desc() if is_lower else column)
        .limit(literal_column("1"))
        .scalar_subquery()
    )


_at_or_before: Final = func.coalesce(_edge(is_lower=True), literal_column("0"))
_at_or_after: Final = func.coalesce(_edge(is_lower=False), _END_OF_LOG)


def _older(bound: ColumnElement[bool]) -> Subquery:
    return _live.where(bound).order_by(messages.c.seq.desc()).limit(_limit).subquery("older")


def _newer(bound: ColumnElement[bool]) -> Subquery:
    return _live.where(bound).order_by(messages.c.seq).limit(_limit).subquery("newer")


_select_before: Final = _read_messages(
    _older(messages.c.seq < _at_or_after), exists(_live.where(messages.c.seq >= _at_or_after))
)
_select_after: Final = _read_messages(
    _newer(messages.c.seq > _at_or_before), exists(_live.where(messages.c.seq <= _at_or_before))
)
_select_around: Final = _read_messages(
    union_all(
        _older(messages.c.seq <= _at_or_before).select(),
        _newer(messages.c.seq > _at_or_before).select(),
    ).subquery("chosen"),
    literal_column("false"),
)


async def window(
    conn: Connection,
    chat_id: ChatId,
    viewer_id: UserId,
    *,
    before_id: MessageId | None = None,
    after_id: MessageId | None = None,
    around_id: MessageId | None = None,
    limit: int = 50,
) -> HistoryWindow | None:
    """Read up to ``limit`` messages next to a place in the chat; one round trip, flat cost.

    The place is a message id that may be deleted or of another chat: then it lies between its
    neighbours. ``before_id`` and ``after_id`` leave the message itself out; ``around_id`` has it
    in the middle, and at an end of the chat fills up from the other side.

    Returns:
        None for a stranger and for a chat that does not exist.

    Raises:
        ValueError: not exactly one place is given.
    """
    places = [
        (query, place)
        for query, place in (
            (_select_before, before_id),
            (_select_after, after_id),
            (_select_around, around_id),
        )
        if place is not None
    ]
    if len(places) != 1:
        raise ValueError("give exactly one of before_id, after_id, around_id")
    query, message_id = places[0]
    params = {
        "chat_id": chat_id,
        "viewer_id": viewer_id,
        "message_id": message_id,
        # One more than asked for tells whether there is more.
        "limit": limit + 1,
    }
    rows, cursors = await conn.fetch_many([(query, params), (_select_cursors, params)])
    if not rows:
        return None
    found = [row for row in rows if row[2] is not None]
    has_more_behind = bool(rows[0][1])
    if before_id is not None:
        chosen = found[-limit:]
        has_older, has_newer = len(found) > limit, has_more_behind
    elif after_id is not None:
        chosen = found[:limit]
        has_older, has_newer = has_more_behind, len(found) > limit
    else:
        start = _middle(found, message_id, limit)
        chosen = found[start : start + limit]
        has_older, has_newer = start > 0, start + limit < len(found)
    return HistoryWindow(_with_readers(chosen, 2, cursors), rows[0][0], has_older, has_newer)


def _middle(found: Sequence[Row], message_id: MessageId, limit: int) -> int:
    """Where a window begins that has the place in its middle, as far as the ends allow."""
    place = sum(1 for row in found if row[2] < message_id)
    return max(0, min(place - limit // 2, len(found) - limit))


_select_place: Final = Query(
    select(messages.c.chat_id)
    .join(_viewer, _viewer.c.chat_id == messages.c.chat_id)
    .where(messages.c.id == _message_id, _viewer.c.user_id == _viewer_id)
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
_select_one_for: Final = _read_one(
    exists().where(_viewer.c.chat_id == messages.c.chat_id, _viewer.c.user_id == _viewer_id)
)


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
    )
    total = select(func.count()).select_from(members).where(has_read).correlate(messages)
    chosen = lateral(
        select(users)
        .join(members, members.c.user_id == users.c.id)
        .where(has_read, members.c.user_id > bindparam("after_id", type_=BigInteger))
        .order_by(members.c.user_id)
        .limit(_limit)
        .correlate(messages)
    ).alias("chosen")
    return Query(
        select(total.scalar_subquery(), *user_columns(chosen))
        .select_from(
            messages.join(_viewer, _viewer.c.chat_id == messages.c.chat_id).outerjoin(
                chosen, true()
            )
        )
        .where(messages.c.id == _message_id, _viewer.c.user_id == _viewer_id)
        .order_by(chosen.c.id)
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
    """Read who has read one message, by id from ``after_id`` on; the sender is left out.

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
