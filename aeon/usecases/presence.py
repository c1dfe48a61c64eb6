"""Who of a chat is there right now."""

from __future__ import annotations

from aeon.auth.principal import Principal
from aeon.errors import EdgeError
from aeon.services import Services
from storage import presence
from storage.ids import ChatId, UserId


async def who_is_online(services: Services, principal: Principal, chat_id: ChatId) -> list[UserId]:
    """Give the members who are online on any node, by id, and do not hide it."""
    async with services.database.connection() as conn:
        members = await presence.members_who_show(conn, chat_id, principal.user_id)
    if members is None:
        raise EdgeError("not_a_member")
    return [user_id for user_id in members if services.presence.is_online(user_id)]
