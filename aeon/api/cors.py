"""Cross-origin headers, on every answer: without them a browser hides even the status code."""

from __future__ import annotations

from typing import Final

from werkzeug.datastructures import Headers

ALLOW_METHODS: Final = "GET, POST, PUT, DELETE, OPTIONS, PATCH, HEAD"
ALLOW_HEADERS: Final = (
    "Accept, Accept-Language, Content-Language, Content-Type, Authorization, X-Requested-With,"
    " X-CSRF-Token, X-Request-ID, X-Telegram-Init-Data, If-None-Match, Range, Tus-Resumable,"
    " Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, X-HTTP-Method-Override"
)
EXPOSE_HEADERS: Final = (
    "ETag, Retry-After, X-Request-ID, X-Duplicate, X-Total-Count, Content-Range,"
    " Content-Disposition, Location,"
    " Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm,"
    " Upload-Offset, Upload-Length, Upload-Expires, Upload-Media-Id"
)
MAX_AGE_SECONDS: Final = "86400"


def add_cors(
    headers: Headers, origin: str | None, allowed: tuple[str, ...], *, is_preflight: bool
) -> None:
    """Add the headers for a request from ``origin``; none when it is not allowed.

    Credentials mode is not offered: the credentials are headers of our own, never cookies.
    """
    if "*" in allowed:
        headers["Access-Control-Allow-Origin"] = "*"
    elif origin is not None and origin in allowed:
        headers["Access-Control-Allow-Origin"] = origin
    else:
        return
    headers["Access-Control-Expose-Headers"] = EXPOSE_HEADERS
    if is_preflight:
        headers["Access-Control-Allow-Methods"] = ALLOW_METHODS
        headers["Access-Control-Allow-Headers"] = ALLOW_HEADERS
        headers["Access-Control-Max-Age"] = MAX_AGE_SECONDS
