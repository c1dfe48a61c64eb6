"""Where figures are asked for: ``/metrics`` beside the API, or on a port of its own."""

from __future__ import annotations

import hmac
import logging
import time
from ipaddress import ip_address
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from quart import Response, g, request
from quart_trio import QuartTrio

from aeon.api.dispatch import failure
from aeon.errors import AuthError, EdgeError
from aeon.metrics.scrape import scrape
from aeon.services import Services

PATH: Final = "/metrics"
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
_trail = logging.getLogger(__name__)


def register(app: QuartTrio, services: Services) -> None:
    """Count requests, and serve ``/metrics``. Call it before other hooks are added."""

    @app.before_request
    async def begin_timing() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    async def count(response: Response) -> Response:
        rule = request.url_rule
        route = "none" if rule is None else rule.rule
        method = request.method if rule is not None else "any"
        seconds = time.perf_counter() - g.started_at if "started_at" in g else 0.0
        services.counts.request(method, route, response.status_code, seconds)
        if _trail.isEnabledFor(logging.DEBUG):
            fields = {"method": method, "route": route, "status": response.status_code}
            _trail.debug("request_answered", extra={**fields, "seconds": round(seconds, 6)})
        return response

    add_route(app, services)


def add_route(app: QuartTrio, services: Services) -> None:
    """Serve ``/metrics``, without counting requests."""

    @app.get(PATH)
    async def metrics() -> Response:
        try:
            _check_scraper(services)
        except EdgeError as error:
            return failure(error, PATH)
        response = Response(await scrape(services), content_type=CONTENT_TYPE_PLAIN_0_0_4)
        response.headers["Cache-Control"] = "no-store"
        return response


def _check_scraper(services: Services) -> None:
    token = services.settings.metrics_token
    if token is not None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode()):
            raise AuthError("token_invalid")
        return
    # A proxy on this machine speaks for others, so what it forwards is not from here.
    if any(name in request.headers for name in _FORWARDED) or not _is_loopback():
        raise EdgeError("not_found")


def _is_loopback() -> bool:
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
