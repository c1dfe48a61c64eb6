"""``aeon health``: ask a server whether it is ready, for health checks of containers."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import typer

from aeon.binding import server_config
from aeon.config import Settings, load_settings

PATH: Final = "/api/v1/ready"
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_MAX_BYTES: Final = 65_536


def run(*, url: str | None, timeout_seconds: float) -> int:
    """Say how the server is; gives the exit status: 0 only if it is ready."""
    base = (url or own_url(load_settings())).rstrip("/")
    if not base.startswith(("http://", "https://")):
        typer.echo("--url: give an http:// or https:// address", err=True)
        return 1
    status, text = ask(f"{base}{PATH}", timeout_seconds=timeout_seconds, is_own=url is None)
    typer.echo(text, err=status != 0)
    return status


def own_url(settings: Settings) -> str:
    """Where the server of these settings listens, seen from this machine."""
    config = server_config(settings)
    scheme = "https" if config.ssl_enabled else "http"
    host, _, port = config.bind[0].rpartition(":")
    bare = host.strip("[]")
    host = _EVERYWHERE.get(bare, bare)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def ask(url: str, *, timeout_seconds: float, is_own: bool) -> tuple[int, str]:
    """Ask one address: the exit status and a line that says why.

    ``is_own``: it is this machine's server, whose certificate names another host.
    """
    context = ssl.create_default_context()
    if is_own:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    request = Request(url, headers={"Accept": "application/json", "Connection": "close"})
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            return 0, _status_of(response.read(_MAX_BYTES), "ready")
    except HTTPError as error:
        with error:
            return 1, f"not ready: {error.code} {_status_of(error.read(_MAX_BYTES), '')}".rstrip()
    except (URLError, HTTPException, OSError, ValueError) as error:
        return 1, f"no answer from {url}: {getattr(error, 'reason', error)}"


def _status_of(body: bytes, default: str) -> str:
    try:
        status = json.loads(body)["status"]
    except (ValueError, KeyError, TypeError):
        return default
    return status if isinstance(status, str) else default
