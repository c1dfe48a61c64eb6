"""Invitations by username: a promise to add someone who has not been here yet.

An invitation is kept until its chat has added the person (or refused for good), so that a crash
between reading and adding loses nothing: redeem by ``list_pending``, then an ``AddMember`` each,
then ``discard``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
    any_,
    bindparam,
    delete,
    exists,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert

from storage.database import Connection
from storage.ids import ChatId, UserId
from storage.mapping import looked_up
from storage.query import Query
from storage.records import ChatType, Role
from storage.tables import chats, invitations, members


class InviteResult(StrEnum):
    """What became of an invitation."""

    INVITED = "invited"
    ALREADY_INVITED = "already_invited"
    NOT_ALLOWED = "not_allowed"
    """The inviter is not owner or admin of an active chat of that id, or it is a pair's."""


@dataclass(frozen=True, slots=True)
class InvitationRecord:
    """A username that a chat waits for."""

    chat_id: ChatId
    username: str
    """Lower case, without ``@``."""
    invited_by: UserId
    created_at: datetime


def normalize_username(username: str) -> str:
    """Bring a username to the form invitations are kept in."""
    return username.strip().lstrip("@").lower()


_chat_id: Final = bindparam("chat_id", type_=BigInteger)
_INVITERS: Final = (Role.OWNER, Role.ADMIN)
_username: Final = bindparam("username", type_=Text)
_actor_id: Final = bindparam("actor_id", type_=BigInteger)
_columns: Final = (
    invitations.c.chat_id,
    invitations.c.username,
    invitations.c.invited_by,
    invitations.c.created_at,
)


def _insert() -> Query:
    allowed = (
        select(members.c.chat_id, members.c.user_id)
        .join(chats, chats.c.id == members.c.chat_id)
        .where(
            members.c.chat_id == _chat_id,
            members.c.user_id == _actor_id,
            or_(*(members.c.role == literal_column(f"'{role}'") for role in _INVITERS)),
            chats.c.is_active,
            # A private chat of two takes nobody, whoever they turn out to be.
            or_(
                chats.c.type != literal_column(f"'{ChatType.PRIVATE}'"),
                chats.c.members_count == literal_column("1"),
            ),
        )
        .cte("allowed")
    )
    saved = (
        insert(invitations)
        .from_select(
            ["chat_id", "invited_by", "username"],
            select(allowed.c.chat_id, allowed.c.user_id, _username).where(literal_column("true")),
        )
        .on_conflict_do_nothing(index_elements=[invitations.c.chat_id, invitations.c.username])
        .returning(invitations.c.chat_id)
        .cte("saved")
    )
    return Query(select(exists(select(allowed.c.chat_id)), exists(select(saved.c.chat_id))))


_insert_query: Final = _insert()


async def invite(
    conn: Connection, chat_id: ChatId, username: str, invited_by: UserId
) -> InviteResult:
    """Promise a place in a chat to whoever first logs in with this username."""
    row = await conn.fetch_one(
        _insert_query,
        {
            "chat_id": chat_id,
            "username": normalize_username(username),
            "actor_id": invited_by,
        },
    )
    assert row is not None, "a select without FROM gives a row"
    is_allowed, is_saved = row
    if not is_allowed:
        return InviteResult.NOT_ALLOWED
    return InviteResult.INVITED if is_saved else InviteResult.ALREADY_INVITED


_chat: Final = looked_up(chats, by=invitations.c.chat_id, name="chat")
_select_pending: Final = Query(
    select(*_columns)
    .select_from(invitations.join(_chat, true()))
    .where(invitations.c.username == _username, _chat.c.is_active)
    .order_by(invitations.c.created_at, invitations.c.chat_id)
)
_delete: Final = Query(
    delete(invitations).where(
        invitations.c.username == _username,
        invitations.c.chat_id == any_(bindparam("chat_ids", type_=ARRAY(BigInteger))),
    )
)


async def list_pending(conn: Connection, username: str) -> list[InvitationRecord]:
    """List the active chats that wait for this username, the oldest invitation first."""
    rows = await conn.fetch_all(_select_pending, {"username": normalize_username(username)})
    return [InvitationRecord(*row) for row in rows]


async def discard(conn: Connection, username: str, chat_ids: Sequence[ChatId]) -> int:
    """Forget invitations that were redeemed or withdrawn; how many there were."""
    if not chat_ids:
        return 0
    return await conn.execute(
        _delete, {"username": normalize_username(username), "chat_ids": list(chat_ids)}
    )
