"""Access tokens: only ours, only unchanged, only in time."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from aeon.auth import tokens
from aeon.auth.tokens import TokenClaims
from aeon.config import Settings, SettingsError
from aeon.errors import AuthError
from storage.ids import UserId

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = "k" * 48
CLAIMS = TokenClaims(UserId(2**40), "session", int(NOW.timestamp()) + 60)


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, secret_key=KEY)


def code(settings: Settings, token: str, *, now: datetime = NOW) -> str:
    with pytest.raises(AuthError) as caught:
        tokens.read(settings, token, now=now)
    return caught.value.code


def test_there_and_back(settings: Settings) -> None:
    token = tokens.issue(settings, CLAIMS, now=NOW)
    assert tokens.read(settings, token, now=NOW + timedelta(seconds=59)) == CLAIMS
    assert code(settings, token, now=NOW + timedelta(seconds=60)) == "token_expired"


def test_forgeries(settings: Settings) -> None:
    good = tokens.issue(settings, CLAIMS, now=NOW)
    payload = {"sub": "7", "jti": "s", "aud": tokens.AUDIENCE, "exp": CLAIMS.expires_at}
    head, body, signature = good.split(".")
    forged = [
        "",
        "x",
        "a.b.c",
        "ü.ü.ü",
        "x" * 5_000,
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}AA",
        jwt.encode(payload, "o" * 48, algorithm="HS256"),
        jwt.encode(payload, KEY, algorithm="HS512") if len(KEY) >= 64 else "a.b.c",
        jwt.encode(payload, None, algorithm="none"),
        jwt.encode({**payload, "aud": "other"}, KEY, algorithm="HS256"),
        *(
            jwt.encode({k: v for k, v in payload.items() if k != left_out}, KEY, "HS256")
            for left_out in payload
        ),
        *(
            jwt.encode({**payload, "sub": subject}, KEY, "HS256")
            for subject in ("", "0", "-1", "x", "7.5", "9007199254740992", "\u0667")
        ),
        jwt.encode({**payload, "exp": 1e30}, KEY, "HS256"),
    ]
    for token in forged:
        assert code(settings, token) == "token_invalid", token


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(SettingsError):
        tokens.issue(Settings(_env_file=None), CLAIMS, now=NOW)
