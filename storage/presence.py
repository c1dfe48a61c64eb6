"""Presence as far as the database knows it: when people were seen, and who may learn of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    any_,
    bindparam,
    column,
    exists,
    func,
    lateral,
    literal_column,
    select,
    true,
    update,
)

from storage.database import Connection, Database
from storage.ids import ChatId, UserId
from storage.json_rows import dump_ids, id_array, is_among
from storage.query import Query
from storage.tables import chats, members, users

_no_offset: Final[ColumnElement[int]] = literal_column("0")
_chat_id: Final = bindparam("chat_id", type_=BigInteger)


def _touch() -> Query:
    # In id order, so that two nodes that say goodbye to the same people can't deadlock.
    locked = (
        select(users.c.id)
        .where(users.c.id == any_(id_array("ids")))
        .order_by(users.c.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    return Query(
        update(users)
        # The second says the same: looked up by index, whatever the first is joined by.
        .where(users.c.id.in_(select(locked.c.id)), users.c.id == any_(id_array("ids")))
        .values(last_seen_at=func.now())
    )


_touch_query: Final = _touch()


async def touch_last_seen(conn: Connection, user_ids: Sequence[UserId]) -> None:
    """Note that these people were here just now."""
    if user_ids:
        await conn.execute(_touch_query, {"ids": dump_ids(user_ids)})


def _is_shown(user_id: ColumnElement[int]) -> ScalarSelect[bool]:
    """Whether a person lets others know when they were seen."""
    # A look-up each: a join may hash every person there is.
    return (
        select(literal_column("""NOT users.privacy @> '{"show_last_seen": false}'"""))
        .where(users.c.id == user_id)
        .correlate_except(users)
        .scalar_subquery()
    )


def _select_peers() -> Query:
    # Step by step, each from the one before: from whoever changed to their chats, and only of
    # those that are small enough to who is in them.
    asked = (
        func.unnest(id_array("ids"))
        .table_valued(column("user_id", BigInteger))
        .render_derived(name="asked")
    )
    mine = lateral(
        select(members.c.chat_id)
        .where(members.c.user_id == asked.c.user_id, _is_shown(asked.c.user_id))
        .offset(_no_offset)
        .correlate(asked)
    ).alias("mine")
    small = lateral(
        select(chats.c.id)
        .where(
            chats.c.id == mine.c.chat_id,
            chats.c.is_active,
            chats.c.members_count <= bindparam("max_members", type_=BigInteger),
        )
        .offset(_no_offset)
        .correlate(mine)
    ).alias("small")
    theirs = lateral(
        select(members.c.user_id)
        .where(members.c.chat_id == small.c.id, is_among(members.c.user_id, "candidates"))
        .offset(_no_offset)
        .correlate(small)
    ).alias("theirs")
    return Query(
        select(asked.c.user_id, theirs.c.user_id)
        .distinct()
        .select_from(asked.join(mine, true()).join(small, true()).join(theirs, true()))
        .where(theirs.c.user_id != asked.c.user_id)
    )


_select_peers_query: Final = _select_peers()


async def peers_among(
    conn: Connection,
    user_ids: Sequence[UserId],
    candidates: Sequence[UserId],
    *,
    max_members: int,
) -> list[tuple[UserId, UserId]]:
    """Pair each of these people with the candidates who share an active chat with them.

    Those who do not show when they were last seen are left out, and so are chats of more than
    ``max_members``.
    """
    if not user_ids or not candidates:
        return []
    rows = await conn.fetch_all(
        _select_peers_query,
        {
            "ids": dump_ids(user_ids),
            "candidates": dump_ids(candidates),
            "max_members": max_members,
        },
    )
    return [(row[0], row[1]) for row in rows]


def _select_shown_members() -> Query:
    viewer = members.alias("viewer")
    is_member = exists().where(
        viewer.c.chat_id == _chat_id, viewer.c.user_id == bindparam("viewer_id", type_=BigInteger)
    )
    asked = select(is_member.label("is_member")).subquery("asked")
    shown = (
        select(members.c.user_id)
        .where(members.c.chat_id == _chat_id, _is_shown(members.c.user_id))
        .subquery("shown")
    )
    return Query(
        select(asked.c.is_member, shown.c.user_id)
        .select_from(asked.outerjoin(shown, asked.c.is_member & true()))
        .order_by(shown.c.user_id)
    )


_select_shown_members_query: Final = _select_shown_members()


async def members_who_show(
    conn: Connection, chat_id: ChatId, viewer_id: UserId
) -> list[UserId] | None:
    """Give the members, by id, who let others know when they are here; None to a stranger."""
    rows = await conn.fetch_all(
        _select_shown_members_query, {"chat_id": chat_id, "viewer_id": viewer_id}
    )
    if not rows[0][0]:
        return None
    return [row[1] for row in rows if row[1] is not None]


class PresenceStore:
    """Presence's look-ups and notes over the database (``actors.user.presence``)."""

    def __init__(self, database: Database, *, max_members: int) -> None:
        self._database = database
        self._max_members = max_members

    async def note_seen(self, user_ids: Collection[UserId]) -> None:
        """Note that these people were here just now."""
        async with self._database.connection() as conn:
            await touch_last_seen(conn, list(user_ids))

    async def among(
        self, user_ids: Sequence[UserId], candidates: Sequence[UserId]
    ) -> list[tuple[UserId, UserId]]:
        """Pair each of these with the candidates who may be told of them."""
        async with self._database.connection() as conn:
            return await peers_among(conn, user_ids, candidates, max_members=self._max_members)
