"""Pages for people: the front page, Swagger UI, ReDoc, and the description they show.

Everything comes from this server: the pages work without any other address, and their content
security policy allows none.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Final

import orjson
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import NotFound

from aeon.api.openapi import describe_api
from aeon.api.route import is_match
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


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    zipped: bytes
    etag: str


def register(app: QuartTrio, services: Services) -> None:
    """Serve the pages."""
    name = services.settings.app_name
    description = orjson.dumps(describe_api(ROUTES, title=name))
    described_as = _etag(description)

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
        return _cached(description, "application/json", described_as, "no-cache")

    @app.get("/docs", strict_slashes=False)
    async def swagger() -> Response:
        return _page(_viewer(f"{name} API", "swagger", "swagger-ui-bundle.js", "swagger-ui.css"))

    @app.get("/redoc", strict_slashes=False)
    async def redoc() -> Response:
        return _page(_viewer(f"{name} API reference", "redoc", "redoc.standalone.js", "page.css"))

    @app.get("/favicon.ico")
    async def icon() -> Response:
        return _asset_response("icon.svg")

    @app.get(f"{STATIC_PATH}<name>")
    async def static_file(name: str) -> Response:
        return _asset_response(name)


def _wants_html() -> bool:
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return best == "text/html"


def _page(html: str) -> Response:
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = PAGE_CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Vary"] = "Accept, Origin"
    return response


def _asset_response(name: str) -> Response:
    if name not in ASSETS:
        raise NotFound
    asset = _load(name)
    is_zipped = request.accept_encodings.quality("gzip") > 0
    content = asset.zipped if is_zipped else asset.content
    response = _cached(content, ASSETS[name], asset.etag, "public, max-age=3600")
    response.headers["Vary"] = "Accept-Encoding, Origin"
    if is_zipped and response.status_code == 200:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _cached(content: bytes, content_type: str, etag: str, cache_control: str) -> Response:
    if is_match(request.headers.get("If-None-Match"), etag):
        response = Response(b"", 304)
    else:
        response = Response(content, content_type=content_type)
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = cache_control
    return response


@lru_cache(maxsize=len(ASSETS))
def _load(name: str) -> _Asset:
    content = files("aeon").joinpath("static", "docs", name).read_bytes()
    return _Asset(content, gzip.compress(content, 6), _etag(content))


def _etag(content: bytes) -> str:
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def _viewer(title: str, kind: str, script: str, style: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="{STATIC_PATH}icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{STATIC_PATH}{style}">
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
<a href="/api/v1/health">Health</a>
</nav>
<p class="note">People log in with the init data that Telegram signs for them; there is nothing
to sign up for here.</p>
</main>
</body>
</html>
"""
