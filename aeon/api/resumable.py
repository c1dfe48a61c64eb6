"""Resumable uploads: tus 1.0 (core, creation, termination, checksum, expiration).

What a client of that protocol knows is enough. In addition the file's id is in the header
``Upload-Media-Id`` of the answer to the last piece, and ``GET`` on the upload gives the same JSON
that an upload by form is answered with.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

import orjson
from quart import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from aeon.api.dispatch import JSON, base_url, credentials_of, failure
from aeon.auth.authenticate import authenticate
from aeon.auth.principal import Principal
from aeon.auth.rates import check_rate
from aeon.errors import EdgeError
from aeon.limits import Kind
from aeon.media.errors import InvalidUpload, OffsetMismatch, UnsupportedType
from aeon.services import Services
from aeon.usecases import uploads
from aeon.usecases.media import VOICE
from aeon.wire import encode
from storage.uploads import UploadRecord

UPLOADS_PATH: Final = "/api/v1/uploads"
VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,termination,checksum,expiration"
ALGORITHMS: Final = ("sha1", "sha256")
PIECE_TYPE: Final = "application/offset+octet-stream"
MAX_METADATA_CHARACTERS: Final = 4096

Operation = Callable[..., Awaitable[Response]]


def add_resumable_routes(blueprint: Blueprint, services: Services) -> None:
    """Add the protocol's routes to the blueprint of files."""
    routes = _Routes(services)
    one = f"{UPLOADS_PATH}/<upload_id>"
    for path, handler, method in (
        (UPLOADS_PATH, routes.operation(routes.create), "POST"),
        (one, routes.show, "GET"),
        (one, routes.operation(routes.patch), "PATCH"),
        (one, routes.operation(routes.delete), "DELETE"),
        (one, routes.overridden, "POST"),
        (UPLOADS_PATH, routes.options, "OPTIONS"),
        (one, routes.options, "OPTIONS"),
    ):
        blueprint.add_url_rule(
            path,
            endpoint=f"uploads_{method.lower()}_{'one' if path == one else 'all'}",
            view_func=handler,
            methods=[method],
            strict_slashes=False,
            provide_automatic_options=False,
        )
    blueprint.after_request(routes.add_version)


class _Routes:
    """The protocol's methods over the use cases."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def operation(self, method: Callable[..., Awaitable[Response]]) -> Operation:
        """Check version and person first, and turn failures into answers."""

        async def run(**path: str) -> Response:
            try:
                if request.headers.get("Tus-Resumable") != VERSION:
                    raise EdgeError("unsupported_version")
                principal = await authenticate(self._services, credentials_of(request))
                return await method(principal, **path)
            except Exception as error:  # noqa: BLE001 - the boundary of this protocol
                return _failure(error)

        run.__name__ = method.__name__
        return run

    async def create(self, principal: Principal) -> Response:
        check_rate(self._services, principal, Kind.SEND)
        metadata = _metadata(request.headers.get("Upload-Metadata", ""))
        upload = await uploads.create_upload(
            self._services,
            principal,
            size_bytes=_number("Upload-Length"),
            filename=metadata.get("filename"),
            is_voice=metadata.get("kind", "").lower() == VOICE,
        )
        response = _answer(upload, 201)
        response.headers["Location"] = f"{base_url(self._services)}{UPLOADS_PATH}/{upload.id}"
        return response

    async def head(self, principal: Principal, upload_id: str) -> Response:
        check_rate(self._services, principal, Kind.READ)
        return _answer(await uploads.get_upload(self._services, principal, upload_id), 200)

    async def patch(self, principal: Principal, upload_id: str) -> Response:
        # Not by rate: clients of tus give up at 429. So many at a time, and each a file's bytes.
        if request.headers.get("Content-Type") != PIECE_TYPE:
            raise UnsupportedType
        upload = await uploads.append_piece(
            self._services,
            principal,
            upload_id,
            _number("Upload-Offset"),
            request.body,
            _checksum(request.headers.get("Upload-Checksum")),
        )
        return _answer(upload, 204)

    async def delete(self, principal: Principal, upload_id: str) -> Response:
        check_rate(self._services, principal, Kind.CHANGE)
        await uploads.delete_upload(self._services, principal, upload_id)
        return Response(b"", 204)

    async def overridden(self, upload_id: str) -> Response:
        """Serve clients that can only POST."""
        methods = {"PATCH": self.patch, "DELETE": self.delete, "HEAD": self.head}
        method = methods.get(request.headers.get("X-HTTP-Method-Override", "").upper())
        if method is None:
            return _failure(MethodNotAllowed(("DELETE", "GET", "HEAD", "PATCH")))
        return await self.operation(method)(upload_id=upload_id)

    async def show(self, upload_id: str) -> Response:
        """HEAD is the protocol's; GET is ours."""
        if request.method == "HEAD":
            return await self.operation(self.head)(upload_id=upload_id)
        services = self._services
        try:
            principal = await authenticate(services, credentials_of(request))
            check_rate(services, principal, Kind.READ)
            record = await uploads.finished_media(services, principal, upload_id)
            if record is None:
                raise EdgeError("upload_not_found", "The upload is not complete yet.")
        except Exception as error:  # noqa: BLE001 - as above
            return failure(error, f"{UPLOADS_PATH}/{{upload_id}}")
        links = services.media.links.for_origin(base_url(services))
        fields = {**encode.file_fields(record, links), "message_type": record.message_type}
        return Response(
            orjson.dumps(fields), content_type=JSON, headers={"Cache-Control": "no-store"}
        )

    async def options(self, **_path: str) -> Response:
        """Give CORS and the protocol something to put their headers on."""
        return Response(b"", 204)

    async def add_version(self, response: Response) -> Response:
        """Say what is spoken here."""
        headers = response.headers
        if request.path.startswith(UPLOADS_PATH):
            headers["Tus-Resumable"] = VERSION
            headers.setdefault("Cache-Control", "no-store")
            if request.method == "OPTIONS":
                headers["Tus-Version"] = VERSION
                headers["Tus-Extension"] = EXTENSIONS
                headers["Tus-Max-Size"] = str(self._services.media.limits.max_file_bytes)
                headers["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)
        return response


def _answer(upload: UploadRecord, status: int) -> Response:
    response = Response(b"", status)
    headers = response.headers
    headers["Upload-Offset"] = str(upload.received_bytes)
    headers["Upload-Length"] = str(upload.size_bytes)
    headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    headers["Cache-Control"] = "no-store"
    if upload.media_id is not None:
        headers["Upload-Media-Id"] = upload.media_id
    return response


def _failure(error: Exception) -> Response:
    response = failure(error, UPLOADS_PATH)
    if isinstance(error, OffsetMismatch):
        response.headers["Upload-Offset"] = str(error.offset)
    elif response.status_code == HTTPStatus.PRECONDITION_FAILED:
        response.headers["Tus-Version"] = VERSION
    return response


def _number(header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise InvalidUpload(f"{header} must be a number of bytes.", field=header)
    return int(text)


def _metadata(header: str) -> dict[str, str]:
    """Read ``key base64, key base64``; what is no text is left out."""
    if len(header) > MAX_METADATA_CHARACTERS:
        raise InvalidUpload("Upload-Metadata is too long.", field="Upload-Metadata")
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found


def _checksum(header: str | None) -> uploads.Checksum | None:
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidUpload("This checksum is not supported.", field="Upload-Checksum")
    try:
        return uploads.Checksum(algorithm, base64.b64decode(value, validate=True))
    except binascii.Error:
        raise InvalidUpload("The checksum is not Base64.", field="Upload-Checksum") from None
