"""Who is in a chat: add, invite, remove, leave, promote, hand over."""

from __future__ import annotations

from enum import StrEnum

from aeon.auth.principal import Principal
from aeon.errors import EdgeError
from aeon.services import Services
from aeon.usecases.asking import ask_chat
from storage import chats, invitations, users
from storage.commands import AddMember, ChangeRole, RemoveMember
from storage.database import Connection
from storage.ids import ChatId, UserId
from storage.invitations import InviteResult
from storage.records import ChatType, Role


class Invited(StrEnum):
    """What an invitation came to; the Mini App decides by these words."""

    ADDED = "added"
    INVITED = "invited"


async def add_member(
    services: Services, principal: Principal, chat_id: ChatId, user_id: UserId
) -> None:
    """Let somebody in who has been here before."""
    await _add(services, principal, chat_id, user_id)


async def invite_by_username(
    services: Services, principal: Principal, chat_id: ChatId, username: str
) -> Invited:
    """Add whoever holds a username, or keep the place until they log in for the first time."""
    async with services.database.connection() as conn:
        user = await users.find_by_username(conn, username)
        if user is None:
            result = await invitations.invite(conn, chat_id, username, principal.user_id)
            if result is InviteResult.NOT_ALLOWED:
                raise EdgeError(await _why_not(conn, principal, chat_id))
            if result is InviteResult.ALREADY_INVITED:
                raise EdgeError("already_invited")
            return Invited.INVITED
    await _add(services, principal, chat_id, user.id)
    return Invited.ADDED


async def remove_member(
    services: Services, principal: Principal, chat_id: ChatId, user_id: UserId
) -> None:
    """Remove somebody, or leave."""
    command = RemoveMember(chat_id=chat_id, actor_id=principal.user_id, user_id=user_id)
    await ask_chat(services, command)


async def change_role(
    services: Services, principal: Principal, chat_id: ChatId, user_id: UserId, role: Role
) -> None:
    """Promote or demote somebody; ``Role.OWNER`` hands the chat over to them."""
    command = ChangeRole(chat_id=chat_id, actor_id=principal.user_id, user_id=user_id, role=role)
    await ask_chat(services, command)


async def _why_not(conn: Connection, principal: Principal, chat_id: ChatId) -> str:
    """Say why the chat takes nobody from this person, as ``add_member`` would."""
    view = await chats.get_chat(conn, chat_id, principal.user_id)
    if view is None:
        return "not_a_member"
    if not view.chat.is_active:
        return "chat_deleted"
    is_pair = view.chat.type is ChatType.PRIVATE and view.chat.members_count > 1
    return "private_chat_full" if is_pair else "not_allowed"


async def _add(services: Services, principal: Principal, chat_id: ChatId, user_id: UserId) -> None:
    command = AddMember(
        chat_id=chat_id,
        actor_id=principal.user_id,
        user_id=user_id,
        max_members=services.settings.max_chat_members,
    )
    await ask_chat(services, command)
