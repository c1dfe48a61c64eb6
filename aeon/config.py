"""Settings: from the environment and ``.env``, checked once at the start, never changed after.

Field names are the environment's names in lower case. ``env.example`` explains each of them; a
test holds the two together.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from aeon import setting_kinds as kinds
from aeon.setting_kinds import MIN_SECRET_KEY_CHARACTERS

SECRET_KEY_FILE: Final = "secret_key"
MAX_WORKERS: Final = 256

_IN_PLAIN_WORDS: Final = {
    "int_parsing": "give a whole number",
    "float_parsing": "give a number",
    "bool_parsing": "give true or false",
}
"""What is said instead of pydantic's words, which are for programmers."""


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
    public_url: kinds.PublicUrl | None = None
    trusted_proxies: kinds.Proxies = ()
    """Addresses whose X-Forwarded headers are believed."""
    workers: int | None = Field(default=None, ge=1, le=MAX_WORKERS)
    """Node processes under the supervisor; None: one process without it."""
    shutdown_seconds: float = Field(default=25.0, ge=1.0, le=3600.0)
    """From the stop signal until what has not ended by itself is cut off."""
    watchdog_seconds: kinds.WatchdogSeconds = Field(default=30.0, ge=0.0, le=3600.0)
    """A worker whose event loop stood still for that long is replaced; 0: never."""
    cors_origins: kinds.Origins = (
        "http://localhost:5173",
        "http://127.0.0.1:5173",
        "http://localhost:3000",
        "http://127.0.0.1:3000",
    )

    database_url: kinds.DatabaseUrl | None = None
    redis_url: kinds.RedisUrl | None = None
    redis_prefix: kinds.RedisPrefix = "aeon"
    """What all keys and channels in Redis begin with."""
    data_dir: Path = Path("data")
    upload_dir: Path = Path("data/uploads")
    s3_bucket: str | None = None
    """Uploaded files are kept there instead of in UPLOAD_DIR."""
    s3_url: kinds.S3Url | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    max_file_size: int = Field(default=50 * 1024 * 1024, ge=1, le=2**40)
    media_user_quota: int = Field(default=5 * 1024**3, ge=1, le=2**50)
    media_inline_pdf: bool = False

    telegram_bot_token: kinds.BotToken | None = None
    telegram_bot_id: kinds.UserIdNumber | None = None
    telegram_ed25519: Annotated[Literal["off", "production", "test"], kinds.ANY_CASE] = "off"
    telegram_webhook_secret: kinds.WebhookSecret | None = None
    init_data_max_age_seconds: int = Field(default=86_400, ge=60, le=7 * 86_400)

    secret_key: kinds.SecretKey | None = None
    algorithm: kinds.Algorithm = "HS256"
    access_token_expire_minutes: int = Field(default=60, ge=1, le=30 * 24 * 60)

    admin_telegram_ids: kinds.UserIds = frozenset()
    admin_token: kinds.AdminToken | None = Field(default=None, min_length=16)
    audit_retention_days: int = Field(default=90, ge=1, le=36_500)
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    metrics_bind: kinds.HostAndPort | None = None

    rate_limits: kinds.OnOrOff = "on"
    websocket_compression: kinds.OnOrOff = "off"
    """Accept compressed frames from clients that offer them."""
    max_body_bytes: int = Field(default=256 * 1024, ge=64 * 1024, le=2**30)
    max_chat_members: int = Field(default=1_000, ge=2, le=200_000)
    edit_window_hours: float = Field(default=48.0, ge=0.0, le=876_000.0)
    """0: no limit."""
    resume_max_events: int = Field(default=10_000, ge=0)
    event_retention_days: int = Field(default=30, ge=1, le=36_500)
    actor_idle_seconds: float = Field(default=300.0, gt=0)

    log_level: kinds.LogLevel = "INFO"
    log_format: Annotated[Literal["auto", "console", "json"], kinds.ANY_CASE] = "auto"

    @property
    def unused_names(self) -> tuple[str, ...]:
        """What was given and does nothing, because S3_BUCKET was not."""
        if self.s3_bucket is not None:
            return ()
        of_a_bucket = {"s3_url", "s3_access_key", "s3_secret_key", "s3_region"}
        return tuple(sorted(name.upper() for name in of_a_bucket & self.model_fields_set))

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

    It is there whole or not at all, and those who start at once get the same.

    Raises:
        SettingsError: it can not be kept there, or is damaged.
    """
    path = data_dir / SECRET_KEY_FILE
    if not path.exists():
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            _keep_new_secret_key(path)
        except OSError as error:
            raise SettingsError(f"DATA_DIR: can not keep a secret key there: {error}") from None
    return _read_secret_key(path)


def _keep_new_secret_key(path: Path) -> None:
    """Write a key under another name and give it its own once it is on the disk.

    Where somebody else was faster, theirs stays: a link replaces nothing, as a rename would.
    """
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as file:  # mode 0600
        file.write(secrets.token_urlsafe(48) + "\n")
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_secret_key(path: Path) -> str:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"DATA_DIR: can not read the secret key there: {error}") from None
    if len(key) < MIN_SECRET_KEY_CHARACTERS or not key.isascii():
        raise SettingsError(f"{path} is damaged; remove it to have a new key made") from None
    return key.decode("ascii")


def _explain(error: ValidationError) -> str:
    lines = ["these settings are wrong (see env.example):"]
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
        text = _IN_PLAIN_WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        # Pydantic counts the "items" of a secret.
        lines.append(f"  {name}: {text.replace(' items after validation', ' characters')}")
    return "\n".join(lines)
