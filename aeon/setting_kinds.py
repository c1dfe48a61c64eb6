"""Kinds of settings: what their text has to look like, and what is said when it does not.

What is said never shows the value: it may be a secret.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from aeon.forwarded import TrustedProxies
from storage.ids import MAX_ID

MIN_SECRET_KEY_CHARACTERS: Final = 32
MIN_WATCHDOG_SECONDS: Final = 2.0
"""Well above what a batch, a collection of garbage or a busy machine hold an event loop up."""

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{30,100}")
_WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_REDIS_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ORIGIN = re.compile(r"https?://[^/\s?#]+")
_BIND = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_PLACEHOLDER_WORD = re.compile(
    r"change|characters|default|dummy|example|here|insert|key|long|placeholder|please|production"
    r"|random|replace|secret|signing|string|super|test|this|todo|token|value|your",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"<.*>|x+|.*\.\.\.", re.IGNORECASE)


def _split_list(value: object) -> object:
    """Accept a JSON list or a comma list."""
    if isinstance(value, int):
        return [value]
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise ValueError(
                'give a comma list, or a JSON list like ["https://a.example"]'
            ) from None
    return [part.strip() for part in text.split(",") if part.strip()]


def _check_proxies(proxies: tuple[str, ...]) -> tuple[str, ...]:
    try:
        TrustedProxies.parse(proxies)
    except ValueError:
        raise ValueError(
            'each entry is an address or a network, like "127.0.0.1" or "10.0.0.0/8"; or "*"'
        ) from None
    return proxies


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    bare = tuple(origin.rstrip("/") for origin in origins)
    for origin in bare:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                'each entry is a scheme and host, like "https://app.example.org", or "*"'
            )
    return bare


def _check_public_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
        raise ValueError('give the address clients use, like "https://chat.example.org"')
    return url.rstrip("/")


def _check_s3_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@\s]+/?", url):
        raise ValueError('give scheme and host, like "https://s3.example.org"')
    return url.rstrip("/")


def _check_watchdog(seconds: float) -> float:
    if 0 < seconds < MIN_WATCHDOG_SECONDS:
        raise ValueError(f"give {MIN_WATCHDOG_SECONDS:g} seconds or more, or 0 for never")
    return seconds


def _check_bind(bind: str) -> str:
    found = _BIND.fullmatch(bind)
    if found is None or int(found[1]) > 65_535:
        raise ValueError('give a host and a port, like "127.0.0.1:9100" or "[::1]:9100"')
    return bind


def _check_database_url(url: SecretStr) -> SecretStr:
    if not re.match(r"postgres(ql)?(\+\w+)?://", url.get_secret_value()):
        raise ValueError("give a PostgreSQL address: postgresql://user:password@host/name")
    return url


def _check_redis_url(url: SecretStr) -> SecretStr:
    # Imported where it is used: a node without Redis does not pay for it.
    from storage.redis_link import RedisAddress

    RedisAddress.parse(url.get_secret_value())
    return url


def _check_redis_prefix(prefix: str) -> str:
    if not _REDIS_PREFIX.fullmatch(prefix):
        raise ValueError("takes 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return prefix


def _check_bot_token(token: SecretStr) -> SecretStr:
    if not _BOT_TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError(
            "this is no bot token; @BotFather gives one like 1234567890:AA..., of a number,"
            " a colon and 35 characters. Leave it empty to start without log-in"
        )
    return token


def _check_webhook_secret(secret: SecretStr) -> SecretStr:
    if not _WEBHOOK_SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("Telegram takes 1 to 256 of the characters A-Z a-z 0-9 _ -")
    return secret


def _check_admin_token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", token.get_secret_value()):
        raise ValueError("takes printable ASCII characters without spaces")
    return token


def _is_placeholder(key: str) -> bool:
    """Say whether a key is words; a random one may hold a word by chance, but never a third."""
    words = sum(map(len, _PLACEHOLDER_WORD.findall(key)))
    return 3 * words >= len(key) or _PLACEHOLDER.fullmatch(key) is not None


def _check_secret_key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if len(text) < MIN_SECRET_KEY_CHARACTERS or _is_placeholder(text):
        raise ValueError(
            f"needs {MIN_SECRET_KEY_CHARACTERS} or more random characters, not a placeholder;"
            " make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return key


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


ANY_CASE: Final = BeforeValidator(_lower)
_UPPER_CASE: Final = BeforeValidator(_upper)
_LIST: Final = BeforeValidator(_split_list)

UserIdNumber = Annotated[int, Field(ge=1, le=MAX_ID)]
UserIds = Annotated[frozenset[UserIdNumber], NoDecode, _LIST]
Proxies = Annotated[tuple[str, ...], NoDecode, _LIST, AfterValidator(_check_proxies)]
Origins = Annotated[tuple[str, ...], NoDecode, _LIST, AfterValidator(_check_origins)]
PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
S3Url = Annotated[str, AfterValidator(_check_s3_url)]
HostAndPort = Annotated[str, AfterValidator(_check_bind)]
WatchdogSeconds = Annotated[float, AfterValidator(_check_watchdog)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_check_redis_url)]
RedisPrefix = Annotated[str, AfterValidator(_check_redis_prefix)]
BotToken = Annotated[SecretStr, AfterValidator(_check_bot_token)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_check_webhook_secret)]
AdminToken = Annotated[SecretStr, AfterValidator(_check_admin_token)]
SecretKey = Annotated[SecretStr, AfterValidator(_check_secret_key)]
OnOrOff = Annotated[Literal["on", "off"], ANY_CASE]
Algorithm = Annotated[Literal["HS256", "HS384", "HS512"], _UPPER_CASE]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], _UPPER_CASE]
