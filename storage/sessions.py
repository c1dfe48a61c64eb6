"""Issued access tokens, so that one can be listed and revoked before it expires.

A session's id is the token's ``jti``; the token itself is never stored.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Select,
    Text,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from storage.database import Connection
from storage.ids import UserId
from storage.query import Query
from storage.tables import sessions


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One issued token."""

    id: str
    user_id: UserId
    device: str | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


_COLUMNS: Final = (
    sessions.c.id,
    sessions.c.user_id,
    sessions.c.device,
    sessions.c.created_at,
    sessions.c.expires_at,
    sessions.c.last_used_at,
)
_id: Final = bindparam("id", type_=Text)
_user_id: Final = bindparam("user_id", type_=BigInteger)
_is_active: Final = sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > func.now())

_insert: Final = Query(
    insert(sessions)
    .values(
        id=_id,
        user_id=_user_id,
        device=bindparam("device", type_=Text),
        expires_at=bindparam("expires_at", type_=DateTime(timezone=True)),
    )
    .returning(*_COLUMNS)
)
_select_active: Final = Query(select(*_COLUMNS).where(sessions.c.id == _id, _is_active))
_select_of_user: Final = Query(
    select(*_COLUMNS)
    .where(sessions.c.user_id == _user_id, _is_active)
    .order_by(sessions.c.created_at.desc(), sessions.c.id)
)
_touch: Final = Query(
    update(sessions)
    .where(
        sessions.c.id == _id,
        _is_active,
        func.coalesce(sessions.c.last_used_at, sessions.c.created_at)
        < func.now() - literal_column("interval '1 minute'"),
    )
    .values(last_used_at=func.now())
)
_revoke: Final = Query(
    update(sessions)
    .where(sessions.c.id == _id, sessions.c.user_id == _user_id, _is_active)
    .values(revoked_at=func.now())
)
_revoke_others: Final = Query(
    update(sessions)
    .where(sessions.c.user_id == _user_id, sessions.c.id != _id, _is_active)
    .values(revoked_at=func.now())
    .returning(sessions.c.id)
)
_select_revoked: Final = Query(
    select(sessions.c.id).where(
        sessions.c.id == any_(bindparam("ids", type_=ARRAY(Text))),
        sessions.c.revoked_at.is_not(None),
    )
)
# Found by when they expire: with both ends PostgreSQL expects few. Deleted by their place in the
# table, where the lock holds them: as a join it may read all sessions to find these.
_expired: Final[Select[Any]] = (
    select(literal_column("sessions.ctid"))
    .where(sessions.c.expires_at.between(literal_column("'-infinity'"), func.now()))
    .limit(literal_column("1000"))
    .with_for_update(skip_locked=True)
    .correlate(None)
)
_delete_expired: Final = Query(
    delete(sessions).where(
        literal_column("sessions.ctid") == any_(func.array(_expired.scalar_subquery()))
    )
)


async def create(
    conn: Connection,
    session_id: str,
    user_id: UserId,
    *,
    expires_at: datetime,
    device: str | None = None,
) -> SessionRecord:
    """Note a token that is being issued.

    Raises:
        storage.errors.Conflict: the id is taken, or there is no such person.
    """
    row = await conn.fetch_one(
        _insert,
        {"id": session_id, "user_id": user_id, "device": device, "expires_at": expires_at},
    )
    assert row is not None, "an insert gives its row"
    return SessionRecord(*row)


async def get_active(conn: Connection, session_id: str) -> SessionRecord | None:
    """Read a session that is neither revoked nor expired."""
    row = await conn.fetch_one(_select_active, {"id": session_id})
    return None if row is None else SessionRecord(*row)


async def list_active(conn: Connection, user_id: UserId) -> list[SessionRecord]:
    """List a person's sessions that are neither revoked nor expired, the newest first."""
    rows = await conn.fetch_all(_select_of_user, {"user_id": user_id})
    return [SessionRecord(*row) for row in rows]


async def touch(conn: Connection, session_id: str) -> None:
    """Note that a session was used; to the minute, so that a busy one seldom writes."""
    await conn.execute(_touch, {"id": session_id})


async def revoke(conn: Connection, session_id: str, user_id: UserId) -> bool:
    """End one of a person's sessions; False when it was not active or not theirs."""
    return await conn.execute(_revoke, {"id": session_id, "user_id": user_id}) > 0


async def revoke_all(conn: Connection, user_id: UserId, *, keep_id: str | None = None) -> list[str]:
    """End all of a person's sessions but ``keep_id``; the ids of those that ended."""
    rows = await conn.fetch_all(_revoke_others, {"user_id": user_id, "id": keep_id or ""})
    return [row[0] for row in rows]


async def revoked_among(conn: Connection, session_ids: Collection[str]) -> frozenset[str]:
    """Name those of these sessions that were revoked; one query."""
    rows = await conn.fetch_all(_select_revoked, {"ids": list(session_ids)})
    return frozenset(row[0] for row in rows)


async def delete_expired(conn: Connection) -> int:
    """Delete a bounded number of expired sessions; how many. Call again while it is not 0."""
    return await conn.execute(_delete_expired)
