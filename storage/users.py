"""People: what Telegram says of them at login, and what they and operators add.

A username belongs to one person at a time, whatever its case. Telegram moves names between
people, so a login takes its name from whoever held it here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.elements import ColumnElement

from storage.database import Connection
from storage.errors import Conflict
from storage.ids import UserId
from storage.mapping import USER_WIDTH, user_columns, user_from
from storage.query import Query
from storage.records import UserRecord
from storage.tables import users

_UNIQUE_USERNAME: Final = "uq_users_username_lower"
_LOGIN_ATTEMPTS: Final = 10
DEFAULT_LANGUAGE_CODE: Final = "en"
_ON_ITS_WAY: Final = timedelta(minutes=1)
"""How long after Telegram said something it may still be news here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProfile:
    """What Telegram's init data says of the person who logs in."""

    id: UserId
    first_name: str = ""
    """Everybody has one: empty tells nothing, and what is known stays."""
    last_name: str | None = None
    """None in this and the next two: they have none, or gave it up."""
    username: str | None = None
    profile_photo_url: str | None = None
    language_code: str | None = None
    is_premium: bool = False
    told_at: datetime | None = None
    """When Telegram said so: an open tab goes on telling what was true then. None: now."""


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The person as stored after the login."""

    user: UserRecord
    is_new: bool
    """True for exactly one of any number of parallel first logins."""


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of everybody, by id."""

    users: tuple[UserRecord, ...]
    total: int
    page: int
    per_page: int

    @property
    def has_next(self) -> bool:
        """Whether people follow this page."""
        return self.page * self.per_page < self.total

    @property
    def has_prev(self) -> bool:
        """Whether a page comes before this one."""
        return self.page > 1


_id: Final = bindparam("id", type_=BigInteger)
_ids: Final = bindparam("ids", type_=ARRAY(BigInteger))
_username: Final = bindparam("username", type_=Text)

_select_user: Final = Query(select(*user_columns()).where(users.c.id == _id))
_select_users: Final = Query(
    select(*user_columns()).where(users.c.id == any_(_ids)).order_by(users.c.id)
)
_select_by_username: Final = Query(
    select(*user_columns()).where(func.lower(users.c.username) == func.lower(_username))
)


def _save_login() -> Query:
    # Rows are locked in id order before anything is written, so that two people who swap names at
    # the same moment wait for each other instead of deadlocking.
    holds_name = func.lower(users.c.username) == func.lower(_username)
    locked = (
        select(users.c.id)
        .where(or_(users.c.id == _id, holds_name))
        .order_by(users.c.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    freed = (
        update(users)
        .where(users.c.id.in_(select(locked.c.id)), users.c.id != _id, holds_name)
        .values(username=null(), updated_at=func.now())
        .returning(users.c.id)
        .cte("freed")
    )
    row: dict[str, ColumnElement[Any]] = {
        "id": _id,
        "first_name": bindparam("first_name", type_=Text),
        "last_name": bindparam("last_name", type_=Text),
        "username": _username,
        "language_code": bindparam("language_code", type_=Text),
        "is_premium": cast(bindparam("is_premium"), Boolean),
        "profile_photo_url": bindparam("profile_photo_url", type_=Text),
        "is_admin": cast(bindparam("is_admin"), Boolean),
    }
    # Counting ``freed`` makes PostgreSQL take the name away before it is given anew.
    saved = insert(users).from_select(
        list(row),
        select(*row.values()).where(select(func.count()).select_from(freed).scalar_subquery() >= 0),
    )
    new = saved.excluded
    merged = {
        "first_name": func.coalesce(func.nullif(new.first_name, ""), users.c.first_name),
        "last_name": new.last_name,
        "username": new.username,
        "language_code": new.language_code,
        "is_premium": new.is_premium,
        "profile_photo_url": new.profile_photo_url,
        "is_admin": or_(users.c.is_admin, new.is_admin),
    }
    return Query(
        saved.on_conflict_do_update(
            index_elements=[users.c.id],
            set_={**merged, "updated_at": func.now()},
            where=tuple_(*(users.c[name] for name in merged)).is_distinct_from(
                tuple_(*merged.values())
            ),
        ).returning(*user_columns(), literal_column("xmax = 0"))
    )


_save_login_query: Final = _save_login()


async def upsert_login(
    conn: Connection, profile: LoginProfile, *, is_admin: bool = False
) -> LoginResult:
    """Create or refresh the person who logs in; writes nothing when nothing changed.

    Safe under any number of parallel logins, of the same person or of people whose names moved:
    the write is one statement, and it is repeated when another login won the name meanwhile.

    Args:
        conn: an open connection, best outside a transaction.
        profile: what Telegram says.
        is_admin: makes them an administrator of the server; False takes nothing away.

    Raises:
        storage.errors.InvalidData: a text PostgreSQL can not store.
    """
    for attempt in range(_LOGIN_ATTEMPTS):
        current = await get_user(conn, profile.id)
        params = _login_params(_newest(current, profile), is_admin)
        if current is not None and _is_same(current, params):
            return LoginResult(current, is_new=False)
        try:
            row = await conn.fetch_one(_save_login_query, params)
        except Conflict as conflict:
            if conflict.constraint != _UNIQUE_USERNAME or attempt == _LOGIN_ATTEMPTS - 1:
                raise
            continue
        if row is not None:
            return LoginResult(user_from(row), is_new=bool(row[USER_WIDTH]))
    raise Conflict("logins of one person kept overtaking each other", constraint=_UNIQUE_USERNAME)


def _newest(current: UserRecord | None, profile: LoginProfile) -> LoginProfile:
    """What is known already, if it is newer than what Telegram said."""
    if current is None or profile.told_at is None:
        return profile
    if profile.told_at >= (current.updated_at or current.created_at) - _ON_ITS_WAY:
        return profile
    return LoginProfile(
        id=current.id,
        first_name=current.first_name,
        last_name=current.last_name,
        username=current.username,
        profile_photo_url=current.profile_photo_url,
        language_code=current.language_code,
        is_premium=current.is_premium,
    )


def _login_params(profile: LoginProfile, is_admin: bool) -> dict[str, object]:
    return {
        "id": profile.id,
        "first_name": profile.first_name or "",
        "last_name": profile.last_name or None,
        "username": profile.username or None,
        "language_code": profile.language_code or DEFAULT_LANGUAGE_CODE,
        "is_premium": profile.is_premium,
        "profile_photo_url": profile.profile_photo_url or None,
        "is_admin": is_admin,
    }


def _is_same(user: UserRecord, params: Mapping[str, object]) -> bool:
    return (
        user.first_name == (params["first_name"] or user.first_name)
        and user.last_name == params["last_name"]
        and user.username == params["username"]
        and user.language_code == params["language_code"]
        and user.is_premium == params["is_premium"]
        and user.profile_photo_url == params["profile_photo_url"]
        and (user.is_admin or not params["is_admin"])
    )


async def get_user(conn: Connection, user_id: UserId) -> UserRecord | None:
    """Read one person; None when unknown."""
    row = await conn.fetch_one(_select_user, {"id": user_id})
    return None if row is None else user_from(row)


async def get_users(conn: Connection, user_ids: Sequence[UserId]) -> list[UserRecord]:
    """Read several people by id, in id order; unknown ids are left out."""
    if not user_ids:
        return []
    rows = await conn.fetch_all(_select_users, {"ids": list(user_ids)})
    return [user_from(row) for row in rows]


async def find_by_username(conn: Connection, username: str) -> UserRecord | None:
    """Find who holds a username, whatever its case, with or without leading ``@``."""
    row = await conn.fetch_one(_select_by_username, {"username": username.lstrip("@")})
    return None if row is None else user_from(row)


def _select_page() -> Query:
    chosen = (
        select(users)
        .order_by(users.c.id)
        .limit(bindparam("limit", type_=BigInteger))
        .offset(bindparam("offset", type_=BigInteger))
        .subquery("chosen")
    )
    total = select(func.count().label("total")).select_from(users).subquery("everybody")
    return Query(
        select(total.c.total, *user_columns(chosen))
        .select_from(total.outerjoin(chosen, true()))
        .order_by(chosen.c.id)
    )


_select_page_query: Final = _select_page()


async def list_users(conn: Connection, page: int = 1, per_page: int = 50) -> UserPage:
    """Read a page of everybody, by id. For operators: it counts the whole table."""
    rows = await conn.fetch_all(
        _select_page_query, {"limit": per_page, "offset": (page - 1) * per_page}
    )
    return UserPage(
        users=tuple(user_from(row, 1) for row in rows if row[1] is not None),
        total=rows[0][0],
        page=page,
        per_page=per_page,
    )


def _update_user(**values: object) -> Query:
    return Query(
        update(users)
        .where(users.c.id == _id)
        .values(**values, updated_at=func.now())
        .returning(*user_columns())
    )


_update_admin: Final = _update_user(is_admin=cast(bindparam("is_admin"), Boolean))
_update_bio: Final = _update_user(bio=bindparam("bio", type_=Text))
_update_privacy: Final = _update_user(privacy=bindparam("privacy", type_=JSONB))
_select_privacy: Final = Query(select(users.c.privacy).where(users.c.id == _id))


async def set_admin(conn: Connection, user_id: UserId, *, is_admin: bool) -> UserRecord | None:
    """Make someone an administrator of this server, or a plain user; None when unknown."""
    row = await conn.fetch_one(_update_admin, {"id": user_id, "is_admin": is_admin})
    return None if row is None else user_from(row)


async def update_bio(conn: Connection, user_id: UserId, bio: str | None) -> UserRecord | None:
    """Set or clear what a person says of themselves; None when unknown."""
    row = await conn.fetch_one(_update_bio, {"id": user_id, "bio": bio})
    return None if row is None else user_from(row)


async def get_privacy(conn: Connection, user_id: UserId) -> Mapping[str, object] | None:
    """Read a person's privacy settings; empty when never set, None when unknown."""
    row = await conn.fetch_one(_select_privacy, {"id": user_id})
    return None if row is None else row[0]


async def update_privacy(
    conn: Connection, user_id: UserId, privacy: Mapping[str, object]
) -> UserRecord | None:
    """Replace a person's privacy settings; None when unknown."""
    params = {"id": user_id, "privacy": json.dumps(dict(privacy))}
    row = await conn.fetch_one(_update_privacy, params)
    return None if row is None else user_from(row)
