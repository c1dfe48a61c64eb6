"""Oneself, people one may see, and what administrators of the server do."""

from __future__ import annotations

from collections.abc import Mapping

from aeon.auth.authenticate import with_admin
from aeon.auth.invitations import redeem_invitations
from aeon.auth.principal import Principal
from aeon.errors import EdgeError
from aeon.services import Services
from aeon.wire.requests import UpdateMeInput
from storage import audit, chats, users
from storage.database import Connection
from storage.ids import UserId
from storage.records import UserRecord
from storage.users import UserPage


async def update_me(
    services: Services, principal: Principal, changes: UpdateMeInput
) -> tuple[UserRecord, Mapping[str, object]]:
    """Change one's bio and privacy; what Telegram says of a person only Telegram changes."""
    user: UserRecord | None = principal.user
    async with services.database.connection() as conn:
        if changes.bio is not None:
            user = await users.update_bio(conn, principal.user_id, changes.bio.strip() or None)
        if changes.privacy is not None:
            user = await users.update_privacy(conn, principal.user_id, changes.privacy.model_dump())
        privacy = await users.get_privacy(conn, principal.user_id)
    services.revocations.person_changed(principal.user_id)
    if user is None:
        raise EdgeError("user_not_found")
    return with_admin(services.settings, user), privacy or {}


async def check_invitations(services: Services, principal: Principal) -> int:
    """Take up all invitations for one's username; how many chats that opened."""
    return await redeem_invitations(services, principal.user)


async def get_user(services: Services, principal: Principal, user_id: UserId) -> UserRecord:
    """Look somebody up by id: oneself, or somebody one shares a chat with."""
    async with services.database.connection() as conn:
        user = await users.get_user(conn, user_id)
        return await _if_visible(conn, principal, user)


async def find_user(services: Services, principal: Principal, username: str) -> UserRecord:
    """Look somebody up by username: oneself, or somebody one shares a chat with."""
    async with services.database.connection() as conn:
        user = await users.find_by_username(conn, username)
        return await _if_visible(conn, principal, user)


async def list_users(
    services: Services, principal: Principal, page: int, per_page: int
) -> UserPage:
    """List everybody, for administrators of the server."""
    _require_admin(principal)
    async with services.database.connection() as conn:
        return await users.list_users(conn, page, per_page)


async def set_admin(
    services: Services, principal: Principal, username: str, *, is_admin: bool
) -> UserRecord:
    """Make somebody an administrator of the server, or a plain user again.

    Raises:
        EdgeError: ``not_allowed``: not an administrator oneself, or ADMIN_TELEGRAM_IDS says
            otherwise; ``user_not_found``.
    """
    _require_admin(principal)
    async with services.database.transaction("set_admin") as conn:
        user = await users.find_by_username(conn, username)
        if user is None:
            raise EdgeError("user_not_found")
        if not is_admin and user.id in services.settings.admin_telegram_ids:
            raise EdgeError("not_allowed", "ADMIN_TELEGRAM_IDS makes this person an administrator.")
        changed = await users.set_admin(conn, user.id, is_admin=is_admin)
        await audit.append_entry(
            conn,
            "admin_granted" if is_admin else "admin_revoked",
            actor_id=principal.user_id,
            target=f"user:{user.id}",
        )
    services.revocations.person_changed(user.id)
    if changed is None:
        raise EdgeError("user_not_found")
    return changed


async def _if_visible(
    conn: Connection, principal: Principal, user: UserRecord | None
) -> UserRecord:
    if user is not None and (
        user.id == principal.user_id
        or await chats.shares_chat_with(conn, principal.user_id, user.id)
    ):
        return user
    raise EdgeError("user_not_found")


def _require_admin(principal: Principal) -> None:
    if not principal.user.is_admin:
        raise EdgeError("not_allowed", "Only administrators of the server may do this.")
