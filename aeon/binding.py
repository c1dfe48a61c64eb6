"""Where a node listens: ``hypercorn.toml`` where there is one, bound by the settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from aeon.config import Settings, SettingsError
from aeon.net.hypercorn import Config

HYPERCORN_FILE: Final = "hypercorn.toml"
DEFAULTS: Final[dict[str, Any]] = {
    "backlog": 1024,
    "keep_alive_timeout": 75,
    "graceful_timeout": 10,
    "h11_max_incomplete_size": 65_536,
    "include_server_header": False,
}
"""What the file of this repository says, for a node that is started where there is none."""
APP_QUEUE_EVENTS: Final = 2
"""Pieces of a body, of up to 96 KiB, that wait for their handler in memory."""
GRACEFUL_SHARE: Final = 0.6
"""Of SHUTDOWN_SECONDS, at most this much goes to requests; the rest is for mailboxes and writer."""


def server_config(settings: Settings) -> Config:
    """Give Hypercorn's configuration.

    HOST and PORT bind, unless the file names certificates: then its own ``bind`` is kept, so
    that TLS is configured in one place.

    Raises:
        SettingsError: the file can not be read.
    """
    config = Config.from_mapping({**DEFAULTS, **_read(Path(HYPERCORN_FILE))})
    config.max_app_queue_size = APP_QUEUE_EVENTS
    longest = GRACEFUL_SHARE * settings.shutdown_seconds
    config.graceful_timeout = min(config.graceful_timeout, longest)
    if not config.ssl_enabled:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        config.bind = [f"{host}:{settings.port}"]
    return config


def metrics_config(bind: str) -> Config:
    """Give the configuration of METRICS_BIND."""
    config = Config.from_mapping(DEFAULTS)
    config.bind = [bind]
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from None
