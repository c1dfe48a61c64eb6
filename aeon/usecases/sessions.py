"""Access tokens: trade init data for one, list and revoke one's sessions."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from aeon.auth import tokens
from aeon.auth.authenticate import Credentials, authenticate
from aeon.auth.principal import Principal
from aeon.auth.rates import check_rate
from aeon.errors import EdgeError
from aeon.limits import Kind
from aeon.services import Services
from storage import sessions
from storage.sessions import SessionRecord


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token; nobody can show it again."""

    access_token: str
    session_id: str
    expires_in_seconds: int


async def create_token(
    services: Services, init_data: str, device: str | None = None
) -> IssuedToken:
    """Trade init data for an access token."""
    principal = await authenticate(services, Credentials(init_data=init_data))
    check_rate(services, principal, Kind.LOGIN)
    now = services.now()
    life = timedelta(minutes=services.settings.access_token_expire_minutes)
    session_id = secrets.token_urlsafe(18)
    async with services.database.connection() as conn:
        await sessions.create(
            conn, session_id, principal.user_id, expires_at=now + life, device=device or None
        )
    claims = tokens.TokenClaims(principal.user_id, session_id, int((now + life).timestamp()))
    return IssuedToken(
        access_token=tokens.issue(services.settings, claims, now=now),
        session_id=session_id,
        expires_in_seconds=int(life.total_seconds()),
    )


async def list_sessions(services: Services, principal: Principal) -> list[SessionRecord]:
    """List one's sessions that still stand, the newest first."""
    async with services.database.connection() as conn:
        return await sessions.list_active(conn, principal.user_id)


async def revoke_session(services: Services, principal: Principal, session_id: str) -> None:
    """End one of one's sessions: its token is no good any more.

    Raises:
        EdgeError: ``session_not_found``.
    """
    async with services.database.connection() as conn:
        is_ended = await sessions.revoke(conn, session_id, principal.user_id)
    if not is_ended:
        raise EdgeError("session_not_found")
    services.revocations.revoked(principal.user_id, [session_id])


async def revoke_all_sessions(services: Services, principal: Principal) -> int:
    """End all of one's sessions; how many."""
    async with services.database.connection() as conn:
        ended = await sessions.revoke_all(conn, principal.user_id)
    services.revocations.revoked(principal.user_id, ended)
    return len(ended)
