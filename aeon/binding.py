"""Where a node listens: ``hypercorn.toml`` where there is one, bound by the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aeon.config import Settings
from aeon.net.hypercorn import Config

HYPERCORN_FILE: Final = "hypercorn.toml"
APP_QUEUE_EVENTS: Final = 2
"""Pieces of a body, of up to 96 KiB, that wait for their handler in memory."""
GRACEFUL_SHARE: Final = 0.6
"""Of SHUTDOWN_SECONDS, at most this much goes to requests; the rest is for mailboxes and writer."""


def server_config(settings: Settings) -> Config:
    """Give Hypercorn's configuration.

    HOST and PORT bind, unless the file names certificates: then its own ``bind`` is kept, so
    that TLS is configured in one place.
    """
    path = Path(HYPERCORN_FILE)
    config = Config.from_toml(path) if path.is_file() else Config()
    config.max_app_queue_size = APP_QUEUE_EVENTS
    longest = GRACEFUL_SHARE * settings.shutdown_seconds
    config.graceful_timeout = min(config.graceful_timeout, longest)
    if not config.ssl_enabled:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        config.bind = [f"{host}:{settings.port}"]
    return config


def metrics_config(bind: str) -> Config:
    """Give the configuration of METRICS_BIND."""
    config = Config()
    config.bind = [bind]
    return config
