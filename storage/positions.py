"""How far the logs of chats go, for a node that has to know whether it missed something.

Nothing here is access checked: it serves the node itself, which decides who receives what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    FromClause,
    and_,
    any_,
    bindparam,
    column,
    func,
    lateral,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement

from storage.database import Connection
from storage.event_rows import EVENT_CODES
from storage.events import ChatCreated
from storage.ids import ChatId, Seq, UserId
from storage.query import Query
from storage.tables import added_user_id, adds_member, chats, events, members

_user_ids: Final = bindparam("user_ids", type_=ARRAY(BigInteger))


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody came into a chat with the event ``seq``."""

    chat_id: ChatId
    user_id: UserId
    seq: Seq
    last_seq: Seq
    """Of the chat, now."""


_select_of_users: Final = Query(
    select(members.c.user_id, chats.c.id, chats.c.last_seq)
    .join(chats, chats.c.id == members.c.chat_id)
    .where(members.c.user_id == any_(_user_ids), chats.c.is_active)
)


async def positions_of(
    conn: Connection, user_ids: Collection[UserId]
) -> Mapping[UserId, Sequence[tuple[ChatId, Seq]]]:
    """Read the active chats of these people, each with its newest ``seq``; one query."""
    found: dict[UserId, list[tuple[ChatId, Seq]]] = {user_id: [] for user_id in user_ids}
    for user_id, chat_id, last_seq in await conn.fetch_all(
        _select_of_users, {"user_ids": list(user_ids)}
    ):
        found[user_id].append((chat_id, last_seq))
    return found


_known: Final = (
    func.unnest(
        bindparam("chat_ids", type_=ARRAY(BigInteger)), bindparam("seqs", type_=ARRAY(BigInteger))
    )
    .table_valued(column("chat_id", BigInteger), column("seq", BigInteger), name="known")
    .render_derived()
)
_select_behind: Final = Query(
    select(chats.c.id, chats.c.last_seq).join(
        _known, and_(chats.c.id == _known.c.chat_id, chats.c.last_seq > _known.c.seq)
    )
)


async def find_newer(
    conn: Connection, known: Sequence[tuple[ChatId, Seq]]
) -> list[tuple[ChatId, Seq]]:
    """Name the chats whose log goes further than known, with their newest ``seq``; one query."""
    rows = await conn.fetch_all(
        _select_behind,
        {"chat_ids": [chat_id for chat_id, _ in known], "seqs": [seq for _, seq in known]},
    )
    return [(row[0], row[1]) for row in rows]


_select_now: Final = Query(select(func.now()))


def _entry(
    chat_id: ColumnElement[int], user_id: ColumnElement[int], *bounds: ColumnElement[bool]
) -> FromClause:
    """The event with which somebody last came into a chat; no ``seq`` when the log has none.

    Two look-ups by index, however long the log is: a chat's first event may have brought them,
    and the newest one that added them.
    """
    log = events.c
    added = select(func.max(log.seq)).where(
        log.chat_id == chat_id, adds_member, added_user_id == user_id, *bounds
    )
    created = select(log.seq).where(
        log.chat_id == chat_id,
        log.seq == literal_column("1"),
        log.type == literal_column(str(EVENT_CODES[ChatCreated])),
        *bounds,
    )
    looked_up = (query.correlate_except(events).scalar_subquery() for query in (added, created))
    return lateral(select(func.greatest(*looked_up).label("seq"))).alias("entry")


def _select_joined() -> Query:
    entry = _entry(members.c.chat_id, members.c.user_id)
    return Query(
        select(members.c.chat_id, members.c.user_id, entry.c.seq, chats.c.last_seq)
        .select_from(
            members.join(chats, and_(chats.c.id == members.c.chat_id, chats.c.is_active)).join(
                entry, true()
            )
        )
        .where(
            members.c.joined_at > bindparam("since", type_=DateTime(timezone=True)),
            members.c.user_id == any_(_user_ids),
        )
    )


def _select_entries() -> Query:
    asked = (
        func.unnest(bindparam("user_ids", type_=ARRAY(BigInteger)))
        .table_valued(column("user_id", BigInteger), name="asked")
        .render_derived()
    )
    entry = _entry(
        bindparam("chat_id", type_=BigInteger),
        asked.c.user_id,
        events.c.seq <= bindparam("until", type_=BigInteger),
    )
    return Query(select(asked.c.user_id, entry.c.seq).select_from(asked.join(entry, true())))


_select_entries_query: Final = _select_entries()
_select_joined_query: Final = _select_joined()


async def database_now(conn: Connection) -> datetime:
    """Read PostgreSQL's clock, the only one that joins are told by."""
    row = await conn.fetch_one(_select_now)
    assert row is not None, "a clock always answers"
    now: datetime = row[0]
    return now


async def joined_since(
    conn: Connection, user_ids: Collection[UserId], since: datetime, *, overlap: timedelta
) -> list[Joined]:
    """Name the chats these people came into after ``since`` less ``overlap``; one query.

    ``overlap`` covers transactions that were open at ``since``.
    """
    rows = await conn.fetch_all(
        _select_joined_query, {"user_ids": list(user_ids), "since": since - overlap}
    )
    return [Joined(*row) for row in rows if row[2] is not None]


async def entries_into(
    conn: Connection, chat_id: ChatId, user_ids: Collection[UserId], until: Seq
) -> list[tuple[UserId, Seq]]:
    """Read with which event these people came in last, up to ``until``; one query.

    They were members then; whether they are now makes no difference. As far as the log reaches.
    """
    rows = await conn.fetch_all(
        _select_entries_query, {"chat_id": chat_id, "user_ids": list(user_ids), "until": until}
    )
    return [(row[0], row[1]) for row in rows if row[1] is not None]
