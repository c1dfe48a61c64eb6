"""Access tokens: JWTs signed with SECRET_KEY, each with a session that can be revoked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import jwt

from aeon.config import Settings, SettingsError
from aeon.errors import AuthError
from storage.ids import MAX_ID, UserId

AUDIENCE: Final = "aeon"
MAX_TOKEN_CHARACTERS: Final = 4096
_SUBJECT: Final = re.compile(r"[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a valid token says; whether its session still stands is another question."""

    user_id: UserId
    session_id: str
    expires_at: int
    """Unix seconds."""


def issue(settings: Settings, claims: TokenClaims, *, now: datetime) -> str:
    """Sign a token."""
    payload = {
        "sub": str(claims.user_id),
        "jti": claims.session_id,
        "aud": AUDIENCE,
        "iat": int(now.timestamp()),
        "exp": claims.expires_at,
    }
    return jwt.encode(payload, _key(settings), algorithm=settings.algorithm)


def read(settings: Settings, token: str, *, now: datetime) -> TokenClaims:
    """Check a token's signature and age.

    Raises:
        AuthError: ``token_invalid`` or ``token_expired``.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise AuthError("token_invalid")
    try:
        payload = jwt.decode(
            token,
            _key(settings),
            algorithms=[settings.algorithm],
            audience=AUDIENCE,
            # The age is checked below, by the clock that the rest of the edge goes by.
            options={
                "require": ["sub", "jti", "aud", "exp"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, UnicodeEncodeError):
        raise AuthError("token_invalid") from None
    subject, session_id, expires_at = payload["sub"], payload["jti"], payload["exp"]
    if not _SUBJECT.fullmatch(subject) or int(subject) > MAX_ID or not isinstance(expires_at, int):
        raise AuthError("token_invalid")
    if now.timestamp() >= expires_at:
        raise AuthError("token_expired")
    return TokenClaims(UserId(int(subject)), session_id, expires_at)


def _key(settings: Settings) -> str:
    if settings.secret_key is None:
        raise SettingsError("SECRET_KEY is not set")
    return settings.secret_key.get_secret_value()
