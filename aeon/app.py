"""The ASGI application: routes, sockets, and what every answer has in common."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final

import orjson
from quart import Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from aeon import metrics, request_ids, ws
from aeon.admin import dashboard
from aeon.api import docs
from aeon.api.cors import add_cors
from aeon.api.dispatch import BODY_TIMEOUT_SECONDS, JSON, VARY, error_response, failure, view
from aeon.api.media import media_blueprint
from aeon.api.route import Route
from aeon.api.routes import ROUTES
from aeon.errors import fault
from aeon.forwarded import ForwardedMiddleware, TrustedProxies
from aeon.media.body import StreamingHTTPConnection, StreamingRequest
from aeon.net.asgi import TransportMiddleware
from aeon.services import Services

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARAMETER: Final = re.compile(r"{(\w+)}")
# Nothing that the API answers is to be rendered, framed or sniffed.
API_CONTENT_SECURITY_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


def create_app(services: Services) -> QuartTrio:
    """Build the application over the node's services. It starts no task of its own."""
    app = _new_app("aeon", services)
    metrics.register(app, services)
    _add_routes(app, services, ROUTES)
    app.register_blueprint(media_blueprint(services))
    docs.register(app, services)
    dashboard.register(app)
    ws.register(app, services)
    _add_common_parts(app, services)
    # Under Aeon's own server it steps aside; any other ASGI server gets its transport from it.
    asgi_app = TransportMiddleware(app.asgi_app)
    proxies = TrustedProxies.parse(services.settings.trusted_proxies)
    app.asgi_app = ForwardedMiddleware(asgi_app, proxies) if proxies else asgi_app  # type: ignore[method-assign] # Quart's way
    return app


def create_operators_app(services: Services) -> QuartTrio:
    """Build what METRICS_BIND serves: this very node's figures, and the operators' page."""
    app = _new_app("aeon.operators", services)
    metrics.add_route(app, services)
    _add_routes(app, services, [route for route in ROUTES if route.for_operators])
    dashboard.register(app)
    _add_common_parts(app, services)
    return app


def _new_app(name: str, services: Services) -> QuartTrio:
    app = QuartTrio(name, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_body_bytes
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_SECONDS
    app.asgi_http_class = StreamingHTTPConnection
    app.request_class = StreamingRequest
    app.url_map.merge_slashes = False
    return app


def _add_routes(app: QuartTrio, services: Services, routes: Iterable[Route]) -> None:
    for route in routes:
        app.add_url_rule(
            _PARAMETER.sub(r"<\1>", route.path),
            endpoint=route.name,
            view_func=view(services, route),
            methods=[route.method],
            strict_slashes=False,
            provide_automatic_options=False,
        )


def _add_common_parts(app: QuartTrio, services: Services) -> None:
    origins = services.settings.cors_origins

    @app.before_request
    async def begin() -> Response | None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        request_ids.begin(g.request_id)
        if request.method == "OPTIONS":
            return Response(orjson.dumps({"status": "ok"}), 200, content_type=JSON)
        if "\0" in request.path:
            # PostgreSQL stores no NUL, so nothing has a name with one.
            return error_response(fault("not_found"))
        return None

    @app.after_request
    async def finish(response: Response) -> Response:
        headers = response.headers
        add_cors(
            headers,
            request.headers.get("Origin"),
            origins,
            is_preflight=request.method == "OPTIONS",
        )
        headers.setdefault("Vary", VARY)
        headers["X-Request-ID"] = g.get("request_id", "")
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Content-Security-Policy", API_CONTENT_SECURITY_POLICY)
        headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> Response:
        original = getattr(error, "original_exception", None)
        return failure(original if isinstance(original, Exception) else error, "-")
