"""Redeems invitations by username, once the person is here."""

from __future__ import annotations

import random
from typing import Final

import structlog

from actors.chat.errors import ChatRefused
from actors.runtime import ActorError
from aeon import request_ids
from aeon.services import Services
from storage import invitations
from storage.commands import AddMember, RejectReason
from storage.errors import StorageError
from storage.ids import ChatId
from storage.records import UserRecord

ASK_SECONDS: Final = 10.0
MAX_AT_ONCE: Final = 100
"""A log-in waits for so many; the Mini App asks for the rest by and by."""
_FINAL: Final = frozenset(
    {
        RejectReason.ALREADY_A_MEMBER,
        RejectReason.CHAT_DELETED,
        RejectReason.NOT_A_MEMBER,
        RejectReason.PRIVATE_CHAT_FULL,
    }
)
"""Refusals that will not change: the invitation is spent."""

_log = structlog.get_logger(__name__)


async def redeem_invitations(services: Services, user: UserRecord) -> int:
    """Add a person to every chat that waits for their username; how many took them in.

    An invitation is forgotten only after its chat has answered, so one that meets a fault is
    redeemed by the next log-in. Never fails a log-in: faults are logged.
    """
    if user.username is None:
        return 0
    try:
        async with services.database.connection() as conn:
            pending = await invitations.list_pending(conn, user.username)
        if not pending:
            return 0
        joined: list[ChatId] = []
        spent: list[ChatId] = []
        # Any of too many, so that full chats, which take nobody in, do not keep out the others.
        for invitation in random.sample(pending, min(len(pending), MAX_AT_ONCE)):
            outcome = await _join(services, invitation, user)
            if outcome is not None:
                spent.append(invitation.chat_id)
                if outcome:
                    joined.append(invitation.chat_id)
        async with services.database.connection() as conn:
            await invitations.discard(conn, user.username, spent)
    except StorageError as error:
        _log.warning("invitations_not_redeemed", user_id=user.id, error=type(error).__name__)
        return 0
    return len(joined)


async def _join(
    services: Services, invitation: invitations.InvitationRecord, user: UserRecord
) -> bool | None:
    """True: joined. False: it never will. None: try again later."""
    command = AddMember(
        chat_id=invitation.chat_id,
        actor_id=invitation.invited_by,
        user_id=user.id,
        by_invitation=True,
        max_members=services.settings.max_chat_members,
    )
    try:
        await services.chat(invitation.chat_id).ask(
            command, timeout_seconds=ASK_SECONDS, trace_id=request_ids.current()
        )
    except ChatRefused as refusal:
        return False if refusal.reason in _FINAL else None
    except (ActorError, StorageError) as error:
        _log.warning(
            "invitation_not_redeemed",
            chat_id=invitation.chat_id,
            user_id=user.id,
            error=type(error).__name__,
        )
        return None
    return True
