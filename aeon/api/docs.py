"""Pages for people: the front page, Swagger UI, ReDoc, and the description they show.

Everything comes from this server: the pages work without any other address, and their content
security policy allows none.
"""

from __future__ import annotations

from html import escape
from typing import Final

import orjson
from quart import Response, request
from quart_trio import QuartTrio

from aeon.api.assets import Assets, cached, etag_of
from aeon.api.openapi import describe_api
from aeon.api.routes import ROUTES
from aeon.services import Services
from aeon.version import VERSION

STATIC_PATH: Final = "/static/docs/"
ASSETS: Final = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
PAGE_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register(app: QuartTrio, services: Services) -> None:
    """Serve the pages."""
    name = services.settings.app_name
    description = orjson.dumps(describe_api(ROUTES, title=name))
    described_as = etag_of(description)
    assets = Assets("docs", ASSETS, cache_control="public, max-age=3600")

    @app.get("/")
    async def front_page() -> Response:
        if _wants_html():
            return _page(_front_page(name))
        status = "draining" if services.lifecycle.is_draining else "running"
        welcome = {"message": f"{name} messenger API", "version": VERSION, "status": status}
        response = Response(orjson.dumps(welcome), content_type="application/json")
        response.headers["Vary"] = "Accept, Origin"
        return response

    @app.get("/openapi.json")
    async def openapi() -> Response:
        return cached(description, "application/json", described_as, "no-cache")

    @app.get("/docs", strict_slashes=False)
    async def swagger() -> Response:
        styles = ("page.css", "swagger-ui.css")
        return _page(_viewer(f"{name} API", "swagger", "swagger-ui-bundle.js", *styles))

    @app.get("/redoc", strict_slashes=False)
    async def redoc() -> Response:
        return _page(_viewer(f"{name} API reference", "redoc", "redoc.standalone.js", "page.css"))

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return await assets.respond("icon.svg")

    @app.get(f"{STATIC_PATH}<name>")
    async def static_file(name: str) -> Response:
        return await assets.respond(name)


def _wants_html() -> bool:
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return best == "text/html"


def _page(html: str) -> Response:
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = PAGE_CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Vary"] = "Accept, Origin"
    return response


def _viewer(title: str, kind: str, script: str, *styles: str) -> str:
    links = "\n".join(f'<link rel="stylesheet" href="{STATIC_PATH}{style}">' for style in styles)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="{STATIC_PATH}icon.svg" type="image/svg+xml">
{links}
</head>
<body>
<div id="{kind}"></div>
<noscript>This page needs JavaScript; the description itself is at /openapi.json.</noscript>
<script src="{STATIC_PATH}{script}"></script>
<script src="{STATIC_PATH}docs.js"></script>
</body>
</html>
"""


def _front_page(name: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}</title>
<link rel="icon" href="{STATIC_PATH}icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{STATIC_PATH}page.css">
</head>
<body class="front">
<main>
<h1>{escape(name)}</h1>
<p>A realtime messenger server for Telegram Mini Apps. Version {escape(VERSION)}.</p>
<nav>
<a href="/docs">Try the API</a>
<a href="/redoc">Read the API reference</a>
<a href="/openapi.json">OpenAPI description</a>
<a href="/admin">For operators</a>
<a href="/api/v1/health">Health</a>
</nav>
<p class="note">People log in with the init data that Telegram signs for them; there is nothing
to sign up for here.</p>
</main>
</body>
</html>
"""
