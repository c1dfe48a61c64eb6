"""Settings: from the environment and ``.env``, checked once at the start, never changed after.

Field names are the environment's names in lower case. ``env.example`` explains each of them; a
test holds the two together.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from aeon.forwarded import TrustedProxies
from storage.ids import MAX_ID

MIN_SECRET_KEY_CHARACTERS: Final = 32
SECRET_KEY_FILE: Final = "secret_key"
MAX_WORKERS: Final = 256
MIN_WATCHDOG_SECONDS: Final = 2.0
"""Well above what a batch, a collection of garbage or a busy machine hold an event loop up."""

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{30,100}")
_WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ORIGIN = re.compile(r"https?://[^/\s?#]+")
_BIND = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_PLACEHOLDER = re.compile(
    r"your|change|placeholder|example|replace|dummy|secret[-_ ]?key|\.\.\.|<.*>|^(x+|test|todo)$",
    re.IGNORECASE,
)
_UserIdNumber = Annotated[int, Field(ge=1, le=MAX_ID)]


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which and what to do."""


class Settings(BaseSettings):
    """Everything an operator can choose."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    app_name: str = Field(default="Aeon", min_length=1, max_length=64)
    debug: bool = False
    """More detail in logs; it never loosens a check."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str | None = None
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses whose X-Forwarded headers are believed."""
    workers: int | None = Field(default=None, ge=1, le=MAX_WORKERS)
    """Node processes under the supervisor; None: one process without it."""
    shutdown_seconds: float = Field(default=25.0, ge=1.0, le=3600.0)
    """From the stop signal until what has not ended by itself is cut off."""
    watchdog_seconds: float = Field(default=30.0, ge=0.0, le=3600.0)
    """A worker whose event loop stood still for that long is replaced; 0: never."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = (
        "http://localhost:5173",
        "http://127.0.0.1:5173",
        "http://localhost:3000",
        "http://127.0.0.1:3000",
    )

    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    redis_prefix: str = Field(default="aeon", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """What all keys and channels in Redis begin with."""
    data_dir: Path = Path("data")
    upload_dir: Path = Path("data/uploads")
    s3_bucket: str | None = None
    """Uploaded files are kept there instead of in UPLOAD_DIR."""
    s3_url: str | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    max_file_size: int = Field(default=50 * 1024 * 1024, ge=1, le=2**40)
    media_user_quota: int = Field(default=5 * 1024**3, ge=1)
    media_inline_pdf: bool = False

    telegram_bot_token: SecretStr | None = None
    telegram_bot_id: _UserIdNumber | None = None
    telegram_ed25519: Literal["off", "production", "test"] = "off"
    telegram_webhook_secret: SecretStr | None = None
    init_data_max_age_seconds: int = Field(default=86_400, ge=60, le=7 * 86_400)

    secret_key: SecretStr | None = None
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    access_token_expire_minutes: int = Field(default=60, ge=1, le=30 * 24 * 60)

    admin_telegram_ids: Annotated[frozenset[_UserIdNumber], NoDecode] = frozenset()
    admin_token: SecretStr | None = Field(default=None, min_length=16)
    audit_retention_days: int = Field(default=90, ge=1, le=36_500)
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    metrics_bind: str | None = None

    rate_limits: Literal["on", "off"] = "on"
    websocket_compression: Literal["on", "off"] = "off"
    """Accept compressed frames from clients that offer them."""
    max_body_bytes: int = Field(default=256 * 1024, ge=64 * 1024, le=2**30)
    max_chat_members: int = Field(default=1_000, ge=2, le=200_000)
    edit_window_hours: float = Field(default=48.0, ge=0.0)
    """0: no limit."""
    resume_max_events: int = Field(default=10_000, ge=0)
    event_retention_days: int = Field(default=30, ge=1)
    actor_idle_seconds: float = Field(default=300.0, gt=0)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"

    @property
    def embedded_dir(self) -> Path:
        """Where the embedded PostgreSQL lives, when it is used."""
        return self.data_dir / "postgresql"

    @property
    def can_authenticate(self) -> bool:
        """Whether init data can be checked at all."""
        return self.telegram_bot_token is not None or self.telegram_bot_id is not None

    @property
    def are_rate_limits_on(self) -> bool:
        """Whether token buckets are asked."""
        return self.rate_limits == "on"

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of METRICS_BIND."""
        if self.metrics_bind is None:
            return None
        host, _, port = self.metrics_bind.rpartition(":")
        return host.strip("[]"), int(port)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return _split_list(value)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: object) -> object:
        return _split_list(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        try:
            TrustedProxies.parse(proxies)
        except ValueError:
            raise ValueError(
                'each entry is an address or a network, like "127.0.0.1" or "10.0.0.0/8"; or "*"'
            ) from None
        return proxies

    @field_validator("admin_telegram_ids", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        return _split_list(value)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator(
        "log_format", "rate_limits", "websocket_compression", "telegram_ed25519", mode="before"
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        bare = tuple(origin.rstrip("/") for origin in origins)
        for origin in bare:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    'each entry is a scheme and host, like "https://app.example.org", or "*"'
                )
        return bare

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise ValueError('give the address clients use, like "https://chat.example.org"')
        return url.rstrip("/")

    @field_validator("s3_url")
    @classmethod
    def _check_s3_url(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^/?#@\s]+/?", url):
            raise ValueError('give scheme and host, like "https://s3.example.org"')
        return None if url is None else url.rstrip("/")

    @field_validator("watchdog_seconds")
    @classmethod
    def _check_watchdog(cls, seconds: float) -> float:
        if 0 < seconds < MIN_WATCHDOG_SECONDS:
            raise ValueError(f"give {MIN_WATCHDOG_SECONDS:g} seconds or more, or 0 for never")
        return seconds

    @field_validator("metrics_bind")
    @classmethod
    def _check_metrics_bind(cls, bind: str | None) -> str | None:
        if bind is not None:
            found = _BIND.fullmatch(bind)
            if found is None or int(found[1]) > 65_535:
                raise ValueError('give a host and a port, like "127.0.0.1:9100" or "[::1]:9100"')
        return bind

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not re.match(r"postgres(ql)?(\+\w+)?://", url.get_secret_value()):
            raise ValueError("give a PostgreSQL address: postgresql://user:password@host/name")
        return url

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            # Imported where it is used: a node without Redis does not pay for it.
            from storage.redis_link import RedisAddress

            RedisAddress.parse(url.get_secret_value())
        return url

    @field_validator("telegram_bot_token")
    @classmethod
    def _check_bot_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _BOT_TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError(
                "this is no bot token; @BotFather gives one like 1234567890:AA..., of a number,"
                " a colon and 35 characters. Leave it empty to start without log-in"
            )
        return token

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not _WEBHOOK_SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError("Telegram takes 1 to 256 of the characters A-Z a-z 0-9 _ -")
        return secret

    @field_validator("admin_token")
    @classmethod
    def _check_admin_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(r"[!-~]+", token.get_secret_value()):
            raise ValueError("takes printable ASCII characters without spaces")
        return token

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        text = key.get_secret_value()
        if len(text) < MIN_SECRET_KEY_CHARACTERS or _PLACEHOLDER.search(text):
            raise ValueError(
                f"needs {MIN_SECRET_KEY_CHARACTERS} or more random characters, not a placeholder;"
                " make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return key


def load_settings(
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    is_serving: bool = False,
) -> Settings:
    """Read the settings; ``host``, ``port`` and ``workers`` override the environment.

    With ``is_serving`` also make sure that a server can run on them: over one's own database
    (``DATABASE_URL``) the bot token and the secret key have to be set, unless ``aeon secret-key``
    has made a key under ``DATA_DIR``; over the embedded one, a newcomer's first start, a secret
    key is made and kept there.

    Raises:
        SettingsError: naming each wrong setting; never showing its value.
    """
    overrides: dict[str, object] = {}
    if host is not None:
        overrides["host"] = host
    if port is not None:
        overrides["port"] = port
    if workers is not None:
        overrides["workers"] = workers
    try:
        settings = Settings.model_validate(overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    if not is_serving:
        return settings
    if settings.workers is None:
        settings = settings.model_copy(update={"workers": _web_concurrency()})
    _require_bus(settings)
    has_kept_key = (settings.data_dir / SECRET_KEY_FILE).exists()
    if settings.database_url is not None and (settings.secret_key or not has_kept_key):
        _require_production(settings)
    if settings.secret_key is None:
        key = kept_secret_key(settings.data_dir)
        settings = settings.model_copy(update={"secret_key": SecretStr(key)})
    return settings


def _web_concurrency() -> int | None:
    """Read how many processes the platform proposes: Heroku and others set WEB_CONCURRENCY."""
    text = os.environ.get("WEB_CONCURRENCY", "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_WORKERS:
        raise SettingsError(f"WEB_CONCURRENCY: give a whole number from 1 to {MAX_WORKERS}")
    return int(text)


def _require_bus(settings: Settings) -> None:
    if (settings.workers or 1) > 1 and settings.redis_url is None:
        raise SettingsError(
            f"REDIS_URL: {settings.workers} workers are as many nodes, and need Redis to hear of"
            " each other's events. Set REDIS_URL, or run one (--workers 1, WORKERS=1)"
        )


def _require_production(settings: Settings) -> None:
    missing = []
    if not settings.can_authenticate:
        missing.append("TELEGRAM_BOT_TOKEN: @BotFather gives it; nobody could log in without it")
    if settings.secret_key is None:
        missing.append(
            "SECRET_KEY: signs access tokens, the same on all nodes; make one with:"
            " python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    if missing:
        lines = "\n".join(f"  {line}" for line in missing)
        raise SettingsError(f"with DATABASE_URL set, these are needed too:\n{lines}")


def kept_secret_key(data_dir: Path) -> str:
    """Read the key an earlier start made, or make it. Readable by its owner only.

    Raises:
        SettingsError: it can not be kept there, or is damaged.
    """
    path = data_dir / SECRET_KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_secret_key(path)
    except OSError as error:
        raise SettingsError(f"DATA_DIR: can not keep a secret key there: {error}") from None
    key = secrets.token_urlsafe(48)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def _read_secret_key(path: Path) -> str:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"DATA_DIR: can not read the secret key there: {error}") from None
    if len(key) < MIN_SECRET_KEY_CHARACTERS or not key.isascii():
        raise SettingsError(f"{path} is damaged; remove it to have a new key made") from None
    return key.decode("ascii")


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


def _explain(error: ValidationError) -> str:
    lines = ["these settings are wrong (see env.example):"]
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
        text = fault["msg"].removeprefix("Value error, ")
        # Pydantic counts the "items" of a secret.
        lines.append(f"  {name}: {text.replace(' items after validation', ' characters')}")
    return "\n".join(lines)
