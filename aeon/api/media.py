"""Files over HTTP: upload by form, and what ``<img>``, ``<audio>`` and ``<video>`` load.

A file's link is its permission: no header is asked for. Nothing that is sent from here can run:
a browser may not guess its type, documents are only ever saved, and whatever is opened by itself
gets a sandbox without scripts.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

import orjson
from quart import Blueprint, Response, request
from quart.wrappers.response import ResponseBody

from aeon.api.dispatch import JSON, base_url, credentials_of, error_response, failure
from aeon.api.resumable import add_resumable_routes
from aeon.api.route import is_match
from aeon.auth.authenticate import authenticate
from aeon.auth.rates import check_rate
from aeon.errors import fault
from aeon.limits import Kind
from aeon.media.errors import MediaNotFound
from aeon.media.kinds import UNKNOWN_TYPE, MediaKind
from aeon.media.names import content_disposition
from aeon.media.ranges import ByteRange, Unsatisfiable, parse_range
from aeon.media.store import ObjectMissing, ObjectStore
from aeon.services import Services
from aeon.usecases.media import OpenedFile, open_file, open_thumbnail, upload_file
from aeon.wire import encode
from aeon.wire.links import Links

UPLOAD_PATH: Final = "/api/v1/messages/upload-media"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
)
PDF: Final = "application/pdf"
_ACTIVE_TYPES: Final = frozenset(
    {
        "text/html",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/xml",
        "application/xml",
        "text/javascript",
        "application/javascript",
    }
)
"""Never named to a browser, not even for saving."""


def media_blueprint(services: Services) -> Blueprint:
    """Build the routes of files over the node's services."""
    blueprint = Blueprint("media", __name__)

    @blueprint.post(UPLOAD_PATH, strict_slashes=False)
    async def upload() -> Response:
        try:
            principal = await authenticate(services, credentials_of(request))
            check_rate(services, principal, Kind.SEND)
            record = await upload_file(
                services,
                principal,
                request.body,
                content_type=request.headers.get("Content-Type"),
                content_length=request.content_length,
            )
        except Exception as error:  # noqa: BLE001 - the boundary where failures become answers
            return failure(error, UPLOAD_PATH)
        answer = {
            **encode.file_fields(record, request_links(services)),
            "message_type": record.message_type,
        }
        response = Response(orjson.dumps(answer), content_type=JSON)
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("/media/<name>")
    async def download(name: str) -> Response:
        try:
            opened = await open_file(services, name, *_signature())
            return await _send(services, opened, is_preview=False)
        except Exception as error:  # noqa: BLE001 - as above
            return failure(error, "/media/{name}")

    @blueprint.get("/media/<name>/thumbnail.webp")
    async def thumbnail(name: str) -> Response:
        try:
            opened = await open_thumbnail(services, name, *_signature())
            return await _send(services, opened, is_preview=True)
        except Exception as error:  # noqa: BLE001 - as above
            return failure(error, "/media/{name}/thumbnail.webp")

    add_resumable_routes(blueprint, services)
    return blueprint


def request_links(services: Services) -> Links:
    """Links that lead back to where this request came to."""
    return services.media.links.for_origin(base_url(services))


def _signature() -> tuple[str, str]:
    return request.args.get("e", ""), request.args.get("s", "")


async def _send(services: Services, opened: OpenedFile, *, is_preview: bool) -> Response:
    """Answer with a file or a part of it (RFC 9110, sections 13 and 14)."""
    etag = f'"{opened.key[:32]}"'
    response = Response(b"")
    response.timeout = None
    headers = response.headers
    headers["ETag"] = etag
    headers["Accept-Ranges"] = "bytes"
    headers["Cache-Control"] = f"private, max-age={opened.valid_seconds}, immutable"
    headers["Vary"] = "Origin"
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    headers["Content-Type"], headers["Content-Disposition"] = (
        (opened.media_type, "inline") if is_preview else _presentation(services, opened)
    )
    if is_match(request.headers.get("If-None-Match"), etag):
        response.status_code = 304
        del headers["Content-Type"]
        del headers["Content-Length"]
        return response
    try:
        part = parse_range(_wanted_range(etag), opened.size_bytes)
    except Unsatisfiable:
        return _behind_the_end(opened.size_bytes)
    if part is None:
        part = ByteRange(0, opened.size_bytes)
    else:
        response.status_code = 206
        headers["Content-Range"] = part.content_range(opened.size_bytes)
    if request.method != "HEAD":
        body = _ObjectBody(services.media.store, opened.key, part)
        await body.open()
        response.response = body
    headers["Content-Length"] = str(part.length)
    return response


def _wanted_range(etag: str) -> str | None:
    """The range asked for, if it is of this version; RFC 9110 (14.2) knows ranges of GET only."""
    if request.method != "GET" or request.headers.get("If-Range", etag) != etag:
        return None
    return request.headers.get("Range")


def _behind_the_end(size_bytes: int) -> Response:
    response = error_response(fault("range_not_satisfiable"))
    response.headers["Content-Range"] = f"bytes */{size_bytes}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _presentation(services: Services, opened: OpenedFile) -> tuple[str, str]:
    """Content-Type and Content-Disposition: what a browser may show, and what it must save."""
    media_type, filename = opened.media_type, opened.record.filename
    is_shown = opened.record.message_type != MediaKind.DOCUMENT or (
        media_type == PDF and services.settings.media_inline_pdf
    )
    if media_type in _ACTIVE_TYPES:
        media_type = UNKNOWN_TYPE
    return media_type, content_disposition("inline" if is_shown else "attachment", filename)


class _ObjectBody(ResponseBody):
    """Bytes of the store as a response; opened before the first header is sent."""

    def __init__(self, store: ObjectStore, key: str, part: ByteRange) -> None:
        self._context = store.open(key, part.start, part.stop)
        self._chunks: object = None

    async def open(self) -> None:
        """Find out while a 404 is still possible."""
        try:
            self._chunks = await self._context.__aenter__()
        except ObjectMissing:
            raise MediaNotFound from None

    async def __aenter__(self):  # type: ignore[no-untyped-def]
        return self._chunks

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._context.__aexit__(kind, error, traceback)
