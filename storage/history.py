"""Messages of one chat as its members read them.

Every read checks membership in the same statement. Deleted messages are left out. ``total`` is
the counter of the chat's row, so a first page costs the same whether the chat holds a thousand
messages or a million.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    exists,
    func,
    lateral,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from storage.connection import Row
from storage.database import Connection
from storage.ids import ChatId, MessageId, UserId
from storage.mapping import (
    MESSAGE_SENDER,
    MESSAGE_SEQ,
    message_columns,
    message_from,
)
from storage.one_message import shows_reading_of
from storage.query import Query
from storage.records import MessageRecord, UserRecord
from storage.tables import chats, media, members, messages, users

READ_BY_MAX: Final = 100
"""Readers named with a message; ``one_message.readers`` tells of all.

A page of fifty in a chat of a thousand would else be half a megabyte of ids.
"""

_END_OF_LOG: Final[ColumnElement[int]] = literal_column("9223372036854775807")
_FALSE: Final[ColumnElement[bool]] = literal_column("false")
_MAX_OFFSET: Final = 2**62
_MAX_WINDOW: Final = 256
_MESSAGE_AT: Final = 2
"""Where a message begins in the rows of ``_read_messages``."""
_SEQ_AT: Final = _MESSAGE_AT + MESSAGE_SEQ
_SENDER_AT: Final = _MESSAGE_AT + MESSAGE_SENDER


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


_chat_id: Final = bindparam("chat_id", type_=BigInteger)
_viewer_id: Final = bindparam("viewer_id", type_=BigInteger)
_message_id: Final = bindparam("message_id", type_=BigInteger)
_limit: Final = bindparam("limit", type_=BigInteger)
_offset: Final = bindparam("offset", type_=BigInteger)

_viewer: Final = members.alias("viewer")
_views_chat: Final = and_(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _viewer_id)

# Live messages of the chat, as the partial index has them. The statements below are written so
# that only one plan fits: an ORDER BY with its LIMIT where EXISTS or min() would do, a look-up
# where a join would do. PostgreSQL otherwise guesses, and a wrong guess reads a million rows.
_is_live: Final = and_(messages.c.chat_id == _chat_id, ~messages.c.is_deleted)
_one: Final[ColumnElement[int]] = literal_column("1")
_no_offset: Final[ColumnElement[int]] = literal_column("0")
_none: Final[ColumnElement[int]] = literal_column("0", BigInteger)


def _next_messages(order: ColumnElement[int], *bounds: ColumnElement[bool]) -> Select[Any]:
    """Up to ``limit`` live messages in an order; the known inner bound keeps plans generic."""
    bounded = (
        select(messages)
        .where(_is_live, *bounds)
        .order_by(order)
        .limit(literal_column(str(_MAX_WINDOW)))
        .subquery("bounded")
    )
    return select(bounded).limit(_limit)


def _read_messages(chosen: Subquery, has_more_behind: ColumnElement[bool] = _FALSE) -> Query:
    """Select ``total``, ``has_more_behind`` and the chosen messages; no row for a stranger.

    A member of a chat without such messages gets one row without a message.
    """
    sender = lateral(
        select(users).where(users.c.id == chosen.c.sender_id).offset(_no_offset)
    ).alias("sender")
    file = lateral(select(media).where(media.c.id == chosen.c.media_id).offset(_no_offset)).alias(
        "file"
    )
    return Query(
        select(chats.c.live_messages, has_more_behind, *message_columns(chosen, sender, file))
        .select_from(
            _viewer.join(chats, chats.c.id == _viewer.c.chat_id)
            .outerjoin(chosen, true())
            .outerjoin(sender, true())
            .outerjoin(file, true())
        )
        .where(_views_chat)
        .order_by(chosen.c.seq)
    )


def _skip_messages() -> Subquery:
    """Messages of a page far back: index entries are skipped, rows only read for the page.

    They are skipped from the end of the chat that is nearer, which the counter of live messages
    tells; the other walk has a limit of none, and does not begin.
    """
    live = select(chats.c.live_messages).where(chats.c.id == _chat_id).scalar_subquery()
    is_new_half = _offset < live - _offset
    from_newest = (
        select(messages.c.seq)
        .where(_is_live)
        .order_by(messages.c.seq.desc())
        .limit(case((is_new_half, _limit), else_=_none))
        .offset(_offset)
        .subquery("from_newest")
    )
    # Of the last page there may be less than a whole one left.
    from_oldest = (
        select(messages.c.seq)
        .where(_is_live)
        .order_by(messages.c.seq.asc())
        .limit(
            case(
                (is_new_half, _none), else_=func.greatest(_none, func.least(_limit, live - _offset))
            )
        )
        .offset(func.greatest(_none, live - _offset - _limit))
        .subquery("from_oldest")
    )
    seqs = union_all(from_newest.select(), from_oldest.select()).subquery("seqs")
    found = lateral(
        select(messages)
        .where(messages.c.chat_id == _chat_id, messages.c.seq == seqs.c.seq)
        .offset(_no_offset)
    ).alias("found")
    return select(found).select_from(seqs.join(found, true())).subquery("chosen")


_select_first_page: Final = _read_messages(_next_messages(messages.c.seq.desc()).subquery("chosen"))
_select_page: Final = _read_messages(_skip_messages())

# The cursors furthest on, of members who show them; who has read what follows for a whole page at
# once. Whoever has read a message stands before all who have not: so these are all of its readers,
# or as many as are named. One more, for the sender is not among them.
# Sorted first, so that privacy is looked up for those near the top and not for every member.
_by_cursor: Final = (
    select(members.c.read_seq, members.c.user_id)
    .where(members.c.chat_id == _chat_id, exists().where(_views_chat))
    .order_by(members.c.read_seq.desc(), members.c.user_id.desc())
    .offset(_no_offset)
    .subquery("by_cursor")
)
_select_cursors: Final = Query(
    select(_by_cursor.c.read_seq, _by_cursor.c.user_id)
    .where(shows_reading_of(_by_cursor))
    .order_by(_by_cursor.c.read_seq.desc(), _by_cursor.c.user_id.desc())
    .limit(literal_column(str(READ_BY_MAX + 1)))
)


async def page(
    conn: Connection, chat_id: ChatId, viewer_id: UserId, page: int = 1, per_page: int = 50
) -> HistoryPage | None:
    """Read a page of a chat, with who has read what; one round trip.

    Pages in the middle cost an index entry per message between them and the nearer end of the
    chat; ``window`` does not.

    Returns:
        None for a stranger and for a chat that does not exist.
    """
    params = {
        "chat_id": chat_id,
        "viewer_id": viewer_id,
        "limit": per_page,
        "offset": min((page - 1) * per_page, _MAX_OFFSET),
    }
    query = _select_first_page if page == 1 else _select_page
    rows, cursors = await conn.fetch_many([(query, params), (_select_cursors, params)])
    if not rows:
        return None
    return HistoryPage(
        messages=_with_readers(rows, cursors), total=rows[0][0], page=page, per_page=per_page
    )


def _with_readers(rows: Iterable[Row], cursors: Sequence[Row]) -> tuple[MessageRecord, ...]:
    """Build the messages of a page; ``cursors`` are (read_seq, user_id), the furthest first."""
    senders: dict[UserId, UserRecord] = {}
    read_by: dict[tuple[int, UserId], tuple[UserId, ...]] = {}
    positions = [cursor[0] for cursor in reversed(cursors)]
    readers = [UserId(cursor[1]) for cursor in reversed(cursors)]
    found = []
    for row in rows:
        if row[_MESSAGE_AT] is None:
            continue
        sender_id = UserId(row[_SENDER_AT])
        first = bisect_left(positions, row[_SEQ_AT])
        key = (first, sender_id)
        if key not in read_by:
            others = [one for one in readers[first:] if one != sender_id]
            read_by[key] = tuple(sorted(others[-READ_BY_MAX:]))
        message = message_from(row, _MESSAGE_AT, senders=senders, read_by=read_by[key])
        assert message is not None, "its id is not null"
        found.append(message)
    return tuple(found)


def _edge(*, is_lower: bool) -> ScalarSelect[int]:
    """Place in the log of a message that need not exist: that of its neighbour in the chat."""
    place = tuple_(messages.c.chat_id, messages.c.id)
    here = tuple_(_chat_id, _message_id)
    columns = (messages.c.chat_id, messages.c.id)
    # Compared as a pair: with the chat alone fixed, PostgreSQL may walk the ids of all chats.
    neighbour = (
        select(messages.c.chat_id, messages.c.seq)
        .where(place <= here if is_lower else place >= here)
        .order_by(*(column.desc() if is_lower else column for column in columns))
        .limit(_one)
        .subquery("neighbour")
    )
    return select(neighbour.c.seq).where(neighbour.c.chat_id == _chat_id).scalar_subquery()


_at_or_before: Final = func.coalesce(_edge(is_lower=True), literal_column("0"))
_at_or_after: Final = func.coalesce(_edge(is_lower=False), _END_OF_LOG)
_newest_first: Final = messages.c.seq.desc()
_oldest_first: Final = messages.c.seq.asc()


def _is_any(order: ColumnElement[int], bound: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a live message lies beyond a bound."""
    first = select(messages.c.seq).where(_is_live, bound).order_by(order).limit(_one)
    return first.scalar_subquery().is_not(None)


_select_before: Final = _read_messages(
    _next_messages(_newest_first, messages.c.seq < _at_or_after).subquery("chosen"),
    _is_any(_oldest_first, messages.c.seq >= _at_or_after),
)
_select_after: Final = _read_messages(
    _next_messages(_oldest_first, messages.c.seq > _at_or_before).subquery("chosen"),
    _is_any(_newest_first, messages.c.seq <= _at_or_before),
)
_select_around: Final = _read_messages(
    union_all(
        _next_messages(_newest_first, messages.c.seq <= _at_or_before).subquery("older").select(),
        _next_messages(_oldest_first, messages.c.seq > _at_or_before).subquery("newer").select(),
    ).subquery("chosen")
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
    found = [row for row in rows if row[_MESSAGE_AT] is not None]
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
    return HistoryWindow(_with_readers(chosen, cursors), rows[0][0], has_older, has_newer)


def _middle(found: Sequence[Row], message_id: MessageId, limit: int) -> int:
    """Where a window begins that has the place in its middle, as far as the ends allow."""
    place = sum(1 for row in found if row[_MESSAGE_AT] < message_id)
    return max(0, min(place - limit // 2, len(found) - limit))
