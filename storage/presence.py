"""Presence as far as the database knows it: when people were seen, and who may learn of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    FromClause,
    ScalarSelect,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
    update,
)

from storage.database import Connection, Database
from storage.ids import ChatId, UserId
from storage.query import Query
from storage.tables import chats, members, users

_ids: Final = bindparam("ids", type_=ARRAY(BigInteger))
_chat_id: Final = bindparam("chat_id", type_=BigInteger)


def _touch() -> Query:
    # In id order, so that two nodes that say goodbye to the same people can't deadlock.
    locked = (
        select(users.c.id)
        .where(users.c.id == any_(_ids))
        .order_by(users.c.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    return Query(
        update(users).where(users.c.id.in_(select(locked.c.id))).values(last_seen_at=func.now())
    )


_touch_query: Final = _touch()


async def touch_last_seen(conn: Connection, user_ids: Sequence[UserId]) -> None:
    """Note that these people were here just now."""
    if user_ids:
        await conn.execute(_touch_query, {"ids": list(user_ids)})


def _is_shown(membership: FromClause) -> ScalarSelect[bool]:
    """Whether a member lets others know when they were seen."""
    # A look-up per membership: a join may hash every person there is.
    return (
        select(literal_column("""NOT users.privacy @> '{"show_last_seen": false}'"""))
        .select_from(users)
        .where(users.c.id == membership.c.user_id)
        .correlate(membership)
        .scalar_subquery()
    )


def _select_peers() -> Query:
    mine, theirs = members.alias("mine"), members.alias("theirs")
    return Query(
        select(mine.c.user_id, theirs.c.user_id)
        .distinct()
        .select_from(
            mine.join(chats, (chats.c.id == mine.c.chat_id) & chats.c.is_active).join(
                theirs,
                (theirs.c.chat_id == mine.c.chat_id) & (theirs.c.user_id != mine.c.user_id),
            )
        )
        .where(
            mine.c.user_id == any_(_ids),
            chats.c.members_count <= bindparam("max_members", type_=BigInteger),
            _is_shown(mine),
            theirs.c.user_id == any_(bindparam("candidates", type_=ARRAY(BigInteger))),
        )
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
        {"ids": list(user_ids), "candidates": list(candidates), "max_members": max_members},
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
        .where(members.c.chat_id == _chat_id, _is_shown(members))
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
