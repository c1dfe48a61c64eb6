"""How far the logs of chats go, for a node that has to know whether it missed something.

Nothing here is access checked: it serves the node itself, which decides who receives what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    DateTime,
    FromClause,
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
from storage.json_rows import dump_ids, id_array, id_rows, is_among
from storage.mapping import looked_up
from storage.query import Query
from storage.tables import added_user_id, adds_member, chats, events, members


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody came into a chat with the event ``seq``."""

    chat_id: ChatId
    user_id: UserId
    seq: Seq
    last_seq: Seq
    """Of the chat, now."""


_chat: Final = looked_up(chats, by=members.c.chat_id, name="chat")
_select_of_users: Final = Query(
    select(members.c.user_id, _chat.c.id, _chat.c.last_seq)
    .select_from(members.join(_chat, true()))
    .where(members.c.user_id == any_(id_array("user_ids")), _chat.c.is_active)
)


async def positions_of(
    conn: Connection, user_ids: Collection[UserId]
) -> Mapping[UserId, Sequence[tuple[ChatId, Seq]]]:
    """Read the active chats of these people, each with its newest ``seq``; one query."""
    found: dict[UserId, list[tuple[ChatId, Seq]]] = {user_id: [] for user_id in user_ids}
    for user_id, chat_id, last_seq in await conn.fetch_all(
        _select_of_users, {"user_ids": dump_ids(user_ids)}
    ):
        found[user_id].append((chat_id, last_seq))
    return found


_known: Final = id_rows("chat_ids", "seqs")
_known_chat: Final = looked_up(chats, by=_known.c.chat_ids, name="chat")
_select_behind: Final = Query(
    select(_known_chat.c.id, _known_chat.c.last_seq)
    .select_from(_known.join(_known_chat, true()))
    .where(_known_chat.c.last_seq > _known.c.seqs)
)


async def find_newer(
    conn: Connection, known: Sequence[tuple[ChatId, Seq]]
) -> list[tuple[ChatId, Seq]]:
    """Name the chats whose log goes further than known, with their newest ``seq``; one query."""
    rows = await conn.fetch_all(
        _select_behind,
        {
            "chat_ids": dump_ids(chat_id for chat_id, _ in known),
            "seqs": dump_ids(seq for _, seq in known),
        },
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
    newest = (query.correlate_except(events).scalar_subquery() for query in (added, created))
    return lateral(select(func.greatest(*newest).label("seq"))).alias("entry")


def _select_joined() -> Query:
    # By the moment, never by the people: they have been in most of their chats for years. With
    # both ends given, PostgreSQL expects a small part of the table whatever the moment.
    recent = (
        select(members.c.chat_id, members.c.user_id)
        .where(
            members.c.joined_at.between(
                bindparam("since", type_=DateTime(timezone=True)), literal_column("'infinity'")
            ),
            is_among(members.c.user_id, "user_ids"),
        )
        .offset(literal_column("0"))
        .subquery("recent")
    )
    chat = looked_up(chats, by=recent.c.chat_id, name="chat")
    entry = _entry(recent.c.chat_id, recent.c.user_id)
    return Query(
        select(recent.c.chat_id, recent.c.user_id, entry.c.seq, chat.c.last_seq)
        .select_from(recent.join(chat, true()).join(entry, true()))
        .where(chat.c.is_active)
    )


def _select_entries() -> Query:
    asked = (
        func.unnest(id_array("user_ids"))
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
        _select_joined_query, {"user_ids": dump_ids(user_ids), "since": since - overlap}
    )
    return [Joined(*row) for row in rows if row[2] is not None]


async def entries_into(
    conn: Connection, chat_id: ChatId, user_ids: Collection[UserId], until: Seq
) -> list[tuple[UserId, Seq]]:
    """Read with which event these people came in last, up to ``until``; one query.

    They were members then; whether they are now makes no difference. As far as the log reaches.
    """
    rows = await conn.fetch_all(
        _select_entries_query, {"chat_id": chat_id, "user_ids": dump_ids(user_ids), "until": until}
    )
    return [(row[0], row[1]) for row in rows if row[1] is not None]
