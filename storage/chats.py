"""Chats as their members see them: lists, one chat with its people, and what an actor loads.

Nothing here writes: chats change through the writer alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    FromClause,
    ScalarSelect,
    and_,
    any_,
    bindparam,
    exists,
    func,
    lateral,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from storage.connection import Row
from storage.database import Connection
from storage.ids import ChatId, Seq, UserId
from storage.mapping import (
    CHAT_WIDTH,
    chat_columns,
    chat_from,
    looked_up,
    member_columns,
    member_from,
    message_columns,
    message_from,
    shows_reading,
)
from storage.query import Query
from storage.records import ChatListRecord, ChatRecord, MemberRecord, Role, UserRecord
from storage.tables import chat_ids, chats, media, members, messages, users


@dataclass(frozen=True, slots=True)
class ChatView:
    """A chat as one of its members may see it."""

    chat: ChatRecord
    members: tuple[MemberRecord, ...]
    """In the order they joined."""
    role: Role
    """The viewer's."""


@dataclass(frozen=True, slots=True)
class ReadState:
    """How much a member has before them."""

    unread_count: int
    """Others' messages after the cursor that are not deleted; exact."""
    shows_reading: bool
    """Whether others may learn how far they have read."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a chat goes, and how far one of its members has read it."""

    last_seq: Seq
    read_seq: Seq


@dataclass(frozen=True, slots=True)
class Membership:
    """A member's rights, and how far they have read."""

    role: Role
    read_seq: Seq


@dataclass(frozen=True, slots=True)
class ChatSnapshot:
    """A chat and its members at one moment of the database."""

    chat: ChatRecord
    members: Mapping[UserId, Membership]


_chat_id: Final = bindparam("chat_id", type_=BigInteger)
_user_id: Final = bindparam("user_id", type_=BigInteger)
_other_id: Final = bindparam("other_id", type_=BigInteger)

_next_chat_id: Final = Query(select(func.nextval(literal(chat_ids.name))))


async def next_chat_id(conn: Connection) -> ChatId:
    """Take the id of a chat that is about to be created; gaps do no harm."""
    row = await conn.fetch_one(_next_chat_id)
    assert row is not None, "nextval gives a row"
    return ChatId(row[0])


_viewer: Final = members.alias("viewer")

_select_chat: Final = Query(
    select(_viewer.c.role, *chat_columns())
    .select_from(_viewer.join(chats, chats.c.id == _viewer.c.chat_id))
    .where(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _user_id)
)
_person: Final = looked_up(users, by=members.c.user_id, name="person")
_select_members: Final = Query(
    select(*member_columns(members, _person))
    .select_from(members.join(_person, true()))
    .where(
        members.c.chat_id == _chat_id,
        exists().where(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _user_id),
    )
    .order_by(members.c.joined_at, members.c.user_id)
)


async def get_chat(conn: Connection, chat_id: ChatId, viewer_id: UserId) -> ChatView | None:
    """Read a chat with all its members, deleted or not; one round trip.

    The chat is read before the members: whoever came or went in between appears in an event
    after ``chat.last_seq``, so a client that applies events from there on ends up right.

    Returns:
        None for a stranger and for a chat that does not exist, without telling which.
    """
    params = {"chat_id": chat_id, "user_id": viewer_id}
    chat_rows, member_rows = await conn.fetch_many(
        [(_select_chat, params), (_select_members, params)]
    )
    if not chat_rows or not member_rows:
        return None
    return ChatView(
        chat=chat_from(chat_rows[0], 1),
        members=tuple(member_from(row) for row in member_rows),
        role=Role(chat_rows[0][0]),
    )


_select_position: Final = Query(
    select(chats.c.last_seq)
    .select_from(_viewer.join(chats, chats.c.id == _viewer.c.chat_id))
    .where(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _user_id)
)


async def get_position(conn: Connection, chat_id: ChatId, viewer_id: UserId) -> Seq | None:
    """Read how far a chat's log goes, the cheapest way to see that nothing changed.

    Returns:
        None for a stranger and for a chat that does not exist.
    """
    row = await conn.fetch_one(_select_position, {"chat_id": chat_id, "user_id": viewer_id})
    return None if row is None else Seq(row[0])


def _unread_of(member: FromClause) -> ScalarSelect[int]:
    """Others' messages after the member's cursor that are still there; walks only those."""
    return (
        select(func.count())
        .select_from(messages)
        .where(
            messages.c.chat_id == member.c.chat_id,
            messages.c.seq > member.c.read_seq,
            ~messages.c.is_deleted,
            messages.c.sender_id != member.c.user_id,
        )
        .correlate(member)
        .scalar_subquery()
    )


def _select_list() -> Query:
    newest = lateral(
        select(messages)
        .where(messages.c.chat_id == chats.c.id, ~messages.c.is_deleted)
        .order_by(messages.c.seq.desc())
        .limit(literal_column("1"))
        .correlate(chats)
    ).alias("newest")
    sender = looked_up(users, by=newest.c.sender_id, name="sender")
    file = looked_up(media, by=newest.c.media_id, name="file")
    return Query(
        select(
            _viewer.c.role,
            _unread_of(_viewer),
            _viewer.c.read_seq,
            *chat_columns(),
            *message_columns(newest, sender, file),
        )
        .select_from(
            _viewer.join(chats, and_(chats.c.id == _viewer.c.chat_id, chats.c.is_active))
            .outerjoin(newest, true())
            .outerjoin(sender, true())
            .outerjoin(file, true())
        )
        .where(_viewer.c.user_id == _user_id)
        .order_by(func.greatest(newest.c.created_at, chats.c.created_at).desc(), chats.c.id.desc())
    )


_select_list_query: Final = _select_list()


async def list_chats(conn: Connection, user_id: UserId) -> list[ChatListRecord]:
    """Read a person's active chats, the one with the newest message first; one query."""
    rows = await conn.fetch_all(_select_list_query, {"user_id": user_id})
    senders: dict[UserId, UserRecord] = {}
    return [_list_record(row, senders) for row in rows]


def _list_record(row: Row, senders: dict[UserId, UserRecord]) -> ChatListRecord:
    return ChatListRecord(
        chat=chat_from(row, 3),
        role=Role(row[0]),
        last_message=message_from(row, 3 + CHAT_WIDTH, senders=senders),
        unread_count=row[1],
        read_seq=row[2],
    )


_select_unread: Final = Query(
    select(_unread_of(_viewer)).where(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _user_id)
)


async def count_unread(conn: Connection, chat_id: ChatId, user_id: UserId) -> int | None:
    """Count others' messages after someone's cursor, exactly; None when they are not in it."""
    row = await conn.fetch_one(_select_unread, {"chat_id": chat_id, "user_id": user_id})
    return None if row is None else int(row[0])


_reader: Final = looked_up(users, by=_viewer.c.user_id, name="reader")
_select_read_state: Final = Query(
    select(_unread_of(_viewer), shows_reading(_reader))
    .select_from(_viewer.join(_reader, true()))
    .where(_viewer.c.chat_id == _chat_id, _viewer.c.user_id == _user_id)
)


async def get_read_state(conn: Connection, chat_id: ChatId, user_id: UserId) -> ReadState | None:
    """Read what is unread for someone, and whether they show it; None: they are not in it."""
    row = await conn.fetch_one(_select_read_state, {"chat_id": chat_id, "user_id": user_id})
    return None if row is None else ReadState(*row)


def _select_state() -> Query:
    everybody = lateral(
        select(
            func.array_agg(members.c.user_id).label("user_ids"),
            func.array_agg(members.c.role).label("roles"),
            func.array_agg(members.c.read_seq).label("read_seqs"),
        )
        .where(members.c.chat_id == chats.c.id)
        .correlate(chats)
    ).alias("everybody")
    return Query(
        select(
            *chat_columns(),
            everybody.c.user_ids,
            everybody.c.roles,
            everybody.c.read_seqs,
        )
        .select_from(chats.join(everybody, true()))
        .where(chats.c.id == _chat_id)
    )


_select_state_query: Final = _select_state()


async def load_chat_state(conn: Connection, chat_id: ChatId) -> ChatSnapshot | None:
    """Load what a chat's actor needs, all of it from one snapshot; None: no such chat."""
    row = await conn.fetch_one(_select_state_query, {"chat_id": chat_id})
    if row is None:
        return None
    user_ids, roles, read_seqs = row[CHAT_WIDTH:]
    return ChatSnapshot(
        chat=chat_from(row),
        members=MappingProxyType(
            {
                user_id: Membership(Role(role), read_seq)
                for user_id, role, read_seq in zip(user_ids, roles, read_seqs, strict=True)
            }
        ),
    )


_select_standings: Final = Query(
    select(_viewer.c.chat_id, chats.c.last_seq, _viewer.c.read_seq)
    .join(chats, chats.c.id == _viewer.c.chat_id)
    .where(
        _viewer.c.user_id == _user_id,
        or_(chats.c.is_active, chats.c.id == any_(bindparam("named", type_=ARRAY(BigInteger)))),
    )
    .order_by(_viewer.c.chat_id)
)


async def standings_of(
    conn: Connection, user_id: UserId, named: Collection[ChatId] = ()
) -> dict[ChatId, Standing]:
    """Say how each active chat of a person stands, and deleted ones if they are named."""
    rows = await conn.fetch_all(_select_standings, {"user_id": user_id, "named": list(named)})
    return {row[0]: Standing(row[1], row[2]) for row in rows}


_peer: Final = members.alias("peer")
_shared: Final = _viewer.join(chats, and_(chats.c.id == _viewer.c.chat_id, chats.c.is_active)).join(
    _peer, and_(_peer.c.chat_id == _viewer.c.chat_id, _peer.c.user_id != _viewer.c.user_id)
)

_select_shares: Final = Query(
    select(
        select(literal_column("1"))
        .select_from(_shared)
        .where(_viewer.c.user_id == _user_id, _peer.c.user_id == _other_id)
        .exists()
    )
)


async def shares_chat_with(conn: Connection, user_id: UserId, other_id: UserId) -> bool:
    """Tell whether two people are in one active chat, and so may see each other."""
    row = await conn.fetch_one(_select_shares, {"user_id": user_id, "other_id": other_id})
    return row is not None and bool(row[0])
