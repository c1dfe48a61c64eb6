"""``/admin``: the operators' page. It holds no figure; it asks for credentials and then the API.

Served to everybody, like the log-in page that it is. Its policy allows this server alone, no
inline script or style, and no markup made from text (Trusted Types).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from quart import Response
from quart_trio import QuartTrio

from aeon.api.assets import Assets

PATH: Final = "/admin"
STATIC_PATH: Final = "/static/admin/"
PAGE: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)


def register(app: QuartTrio) -> None:
    """Serve the page and its parts."""
    # Modules of two versions must not meet in one page: always ask whether they changed.
    assets = Assets("admin", _types(), cache_control="no-cache")

    @app.get(PATH, strict_slashes=False)
    async def dashboard() -> Response:
        response = await assets.respond(PAGE)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    @app.get(f"{STATIC_PATH}<name>")
    async def dashboard_file(name: str) -> Response:
        return await assets.respond(name)


def _types() -> dict[str, str]:
    found = files("aeon").joinpath("static", "admin").iterdir()
    return {one.name: _TYPES[f".{one.name.rpartition('.')[2]}"] for one in found}
