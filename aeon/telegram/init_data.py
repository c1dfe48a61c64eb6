"""Telegram's init data: check the signature, then read who it is.

Rules of this file:

- Keys and values are decoded exactly once, as a form; the signed text is never re-serialised.
- The signature is checked before anything else is believed, the time before the person.
- Compared in constant time; no error tells what would have been right.

Source: Telegram's "Validating data received via the Mini App", recomputed with the vector in
``tests/unit/aeon/telegram/test_init_data.py``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote, unquote_plus

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.ids import MAX_ID, UserId

MAX_CHARACTERS: Final = 16_384
"""Longer strings are refused unread: Telegram's own are below 4 kB."""
MAX_CLOCK_SKEW_SECONDS: Final = 300
PUBLIC_KEYS: Final[Mapping[str, bytes]] = {
    "production": bytes.fromhex("e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d"),
    "test": bytes.fromhex("40055058a4ee38156a06562e52eece92a771bcd8346a8c4615cb7376eddf72ec"),
}
"""Telegram's Ed25519 keys, by environment."""

_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTH_DATE = re.compile(r"[0-9]{1,12}")
_HASH = re.compile(r"[0-9a-f]{64}")
_USERNAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_NAME_MAX_CHARACTERS = 255
_URL_MAX_CHARACTERS = 2048


class InitDataError(Exception):
    """Init data was refused; ``code`` says why, nothing says how to do better."""

    def __init__(
        self, code: Literal["init_data_missing", "init_data_invalid", "init_data_expired"]
    ) -> None:
        super().__init__(code)
        self.code: Final[str] = code


@dataclass(frozen=True, slots=True)
class TelegramUser:
    """The person as Telegram describes them."""

    id: UserId
    first_name: str
    """May be empty."""
    last_name: str | None
    username: str | None
    language_code: str | None
    is_premium: bool
    photo_url: str | None
    allows_write_to_pm: bool


@dataclass(frozen=True, slots=True)
class InitData:
    """Init data whose signature and age were checked."""

    user: TelegramUser
    auth_date: int
    """Unix seconds."""
    start_param: str | None


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks init data of one bot."""

    bot_token: str | None
    """For the HMAC; None: the Ed25519 signature alone decides."""
    bot_id: int | None = None
    """For Ed25519; None: the number in the token."""
    ed25519_key: bytes | None = None
    """Telegram's public key; None: no Ed25519 check."""
    max_age_seconds: int = 86_400

    def __post_init__(self) -> None:
        if self.bot_token is None and (self.ed25519_key is None or self.bot_id is None):
            raise ValueError("a token, or a bot id and a public key")

    def validate(self, raw: str, *, now: float) -> InitData:
        """Check ``raw`` as of ``now`` (Unix seconds) and read it.

        Raises:
            InitDataError: missing, invalid (also: from the future) or expired.
        """
        if not raw.strip():
            raise InitDataError("init_data_missing")
        fields = _parse(raw)
        received_hash = fields.pop("hash", None)
        if self.bot_token is not None:
            _check_hmac(self.bot_token, fields, received_hash)
        if self.ed25519_key is not None:
            bot_id = self.bot_id or int((self.bot_token or "").partition(":")[0])
            _check_ed25519(self.ed25519_key, bot_id, fields)
        auth_date = self.check_age(fields.get("auth_date", ""), now=now)
        return InitData(
            user=_read_user(fields.get("user")),
            auth_date=auth_date,
            start_param=fields.get("start_param") or None,
        )

    def check_age(self, auth_date: str | int, *, now: float) -> int:
        """Check that something signed at ``auth_date`` is still good, and return it as a number.

        Raises:
            InitDataError: as ``validate``.
        """
        if isinstance(auth_date, str) and not _AUTH_DATE.fullmatch(auth_date):
            raise InitDataError("init_data_invalid")
        seconds = int(auth_date)
        if seconds > now + MAX_CLOCK_SKEW_SECONDS:
            raise InitDataError("init_data_invalid")
        if now - seconds > self.max_age_seconds:
            raise InitDataError("init_data_expired")
        return seconds


def sign(bot_token: str, *, user: Mapping[str, object], auth_date: int, **fields: str) -> str:
    """Sign init data as Telegram would: for demos, load generators and tests."""
    values = {**fields, "user": orjson.dumps(dict(user)).decode(), "auth_date": str(auth_date)}
    values["hash"] = _hmac_hex(bot_token, values)
    return "&".join(
        f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in values.items()
    )


def _parse(raw: str) -> dict[str, str]:
    """Decode a form once; malformed, empty and repeated keys are refused."""
    if len(raw) > MAX_CHARACTERS or _BROKEN_PERCENT.search(raw):
        raise InitDataError("init_data_invalid")
    fields: dict[str, str] = {}
    for pair in raw.split("&"):
        encoded_key, equals, encoded_value = pair.partition("=")
        try:
            key = unquote_plus(encoded_key, errors="strict")
            value = unquote_plus(encoded_value, errors="strict")
        except UnicodeDecodeError:
            raise InitDataError("init_data_invalid") from None
        if not equals or not key or key in fields:
            raise InitDataError("init_data_invalid")
        fields[key] = value
    return fields


def _check_hmac(bot_token: str, fields: Mapping[str, str], received: str | None) -> None:
    try:
        expected = _hmac_hex(bot_token, fields)
    except UnicodeEncodeError:
        raise InitDataError("init_data_invalid") from None
    # Always compared, so that a malformed hash takes as long as a wrong one.
    candidate = received if received is not None and _HASH.fullmatch(received) else "0" * 64
    if not hmac.compare_digest(expected.encode(), candidate.encode()):
        raise InitDataError("init_data_invalid")


def _check_ed25519(key: bytes, bot_id: int, fields: Mapping[str, str]) -> None:
    signed = {name: value for name, value in fields.items() if name != "signature"}
    text = f"{bot_id}:WebAppData\n{_check_string(signed)}"
    received = fields.get("signature", "")
    try:
        signature = base64.b64decode(
            received + "=" * (-len(received) % 4), altchars=b"-_", validate=True
        )
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text.encode())
    except (ValueError, InvalidSignature):
        raise InitDataError("init_data_invalid") from None


def _check_string(fields: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={fields[key]}" for key in sorted(fields))


def _hmac_hex(bot_token: str, fields: Mapping[str, str]) -> str:
    text = _check_string(fields).encode()
    return hmac.new(_hmac_key(bot_token), text, hashlib.sha256).hexdigest()


@lru_cache(maxsize=8)
def _hmac_key(bot_token: str) -> bytes:
    return hmac.new(b"WebAppData", bot_token.encode(), hashlib.sha256).digest()


def _read_user(text: str | None) -> TelegramUser:
    try:
        user = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise InitDataError("init_data_invalid") from None
    if not isinstance(user, dict):
        raise InitDataError("init_data_invalid")
    user_id = user.get("id")
    if isinstance(user_id, bool) or not isinstance(user_id, int) or not 0 < user_id <= MAX_ID:
        raise InitDataError("init_data_invalid")
    username = _text(user.get("username"))
    photo_url = _text(user.get("photo_url"), _URL_MAX_CHARACTERS)
    return TelegramUser(
        id=UserId(user_id),
        first_name=_text(user.get("first_name")) or "",
        last_name=_text(user.get("last_name")),
        username=username if username and _USERNAME.fullmatch(username) else None,
        language_code=_text(user.get("language_code"), 35),
        is_premium=user.get("is_premium") is True,
        photo_url=photo_url if photo_url and photo_url.startswith("https://") else None,
        allows_write_to_pm=user.get("allows_write_to_pm") is True,
    )


def _text(value: object, max_characters: int = _NAME_MAX_CHARACTERS) -> str | None:
    """Take a text as PostgreSQL can store it; empty counts as absent."""
    if not isinstance(value, str):
        return None
    return value.replace("\0", "")[:max_characters] or None
