"""From credentials to a person: the one way in, for REST and WebSocket.

Rules of this file:

- Nothing unsigned is believed, whatever the settings are.
- A log-in with init data creates or refreshes the person in one atomic statement, so parallel
  first requests make one person, whatever node they reach. On one node they wait for the first
  of them, so that none sees the person without the chats that invitations open. A returning
  person costs one query, a polling one none.
- Neither credentials nor what they decode to is logged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from aeon.auth import tokens
from aeon.auth.invitations import redeem_invitations
from aeon.auth.principal import Method, Principal
from aeon.config import Settings
from aeon.counts import OK, REMEMBERED
from aeon.errors import AuthError, EdgeError, describe
from aeon.logins import Login
from aeon.services import Services
from aeon.telegram.init_data import PUBLIC_KEYS, InitData, InitDataError, Verifier
from storage import sessions, users
from storage.errors import StorageError
from storage.records import UserRecord

NEWCOMER_AGE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a client presents; one of the two."""

    init_data: str | None = None
    token: str | None = None


async def authenticate(services: Services, credentials: Credentials) -> Principal:
    """Find out who presents these credentials.

    Raises:
        AuthError: nobody, or nobody any more; its code says why.
        EdgeError: ``login_unavailable``: the server can not check init data yet.
        storage.errors.StorageError: the database is away.
    """
    method = Method.TOKEN if credentials.token is not None else Method.INIT_DATA
    try:
        if credentials.token is not None:
            return await _by_token(services, credentials.token)
        return await _by_init_data(services, credentials.init_data or "")
    except (EdgeError, StorageError) as error:
        is_nobody = not (credentials.token or credentials.init_data)
        services.counts.login("none" if is_nobody else method, describe(error).code)
        raise


async def _by_init_data(services: Services, raw: str) -> Principal:
    if not raw.strip():
        raise AuthError("init_data_missing")
    now = services.now().timestamp()
    key = services.logins.key(raw)
    login = services.logins.get(key)
    outcome = OK if login is None else REMEMBERED
    if login is None:
        data = validate_init_data(services, raw)
        async with services.logins.turn(data.user.id):
            login = services.logins.get(key)
            if login is None:
                since = services.logins.moment()
                user = await _log_in(services, data)
                until = data.auth_date + services.settings.init_data_max_age_seconds
                login = Login(user, until)
                services.logins.note(key, login, since=since)
    elif now > login.expires_at:
        raise AuthError("init_data_expired")
    services.counts.login(Method.INIT_DATA, outcome)
    return Principal(login.user, Method.INIT_DATA)


async def _by_token(services: Services, token: str) -> Principal:
    claims = tokens.read(services.settings, token, now=services.now())
    key = services.logins.key(token)
    login = services.logins.get(key)
    outcome = OK if login is None else REMEMBERED
    if login is None:
        since = services.logins.moment()
        async with services.database.connection() as conn:
            session = await sessions.get_active(conn, claims.session_id)
            if session is None or session.user_id != claims.user_id:
                raise AuthError("token_invalid")
            user = await users.get_user(conn, claims.user_id)
            await sessions.touch(conn, claims.session_id)
        if user is None:
            raise AuthError("token_invalid")
        login = Login(with_admin(services.settings, user), claims.expires_at, claims.session_id)
        services.logins.note(key, login, since=since)
    services.counts.login(Method.TOKEN, outcome)
    return Principal(login.user, Method.TOKEN, login.session_id)


def validate_init_data(services: Services, raw: str) -> InitData:
    """Check init data by the settings' bot.

    Raises:
        AuthError: it is missing, invalid or expired.
        EdgeError: ``login_unavailable``.
    """
    verifier = _verifier(services.settings)
    try:
        return verifier.validate(raw, now=services.now().timestamp())
    except InitDataError as error:
        raise AuthError(error.code) from None


def with_admin(settings: Settings, user: UserRecord) -> UserRecord:
    """Give the role that ADMIN_TELEGRAM_IDS promises, whatever the row says."""
    if user.id in settings.admin_telegram_ids and not user.is_admin:
        return replace(user, is_admin=True)
    return user


async def _log_in(services: Services, data: InitData) -> UserRecord:
    told = data.user
    profile = users.LoginProfile(
        id=told.id,
        first_name=told.first_name,
        last_name=told.last_name,
        username=told.username,
        profile_photo_url=told.photo_url,
        language_code=told.language_code,
        is_premium=told.is_premium,
        told_at=datetime.fromtimestamp(data.auth_date, UTC),
    )
    async with services.database.connection() as conn:
        result = await users.upsert_login(
            conn, profile, is_admin=told.id in services.settings.admin_telegram_ids
        )
    user = result.user
    # Only a person who is new, or whose name moved since, can be waited for. New for a while: the
    # request that created them may have been cut off before it came to this.
    is_recent = services.now() - user.created_at < NEWCOMER_AGE
    if result.is_new or is_recent or user.updated_at is not None:
        await redeem_invitations(services, user)
    return user


def _verifier(settings: Settings) -> Verifier:
    if not settings.can_authenticate:
        raise EdgeError("login_unavailable")
    token = settings.telegram_bot_token
    environment = settings.telegram_ed25519
    if token is None and environment == "off":
        environment = "production"
    return Verifier(
        bot_token=None if token is None else token.get_secret_value(),
        bot_id=settings.telegram_bot_id,
        ed25519_key=PUBLIC_KEYS.get(environment),
        max_age_seconds=settings.init_data_max_age_seconds,
    )
