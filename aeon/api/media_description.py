"""How files are described in ``/openapi.json``: their bodies are no JSON, so no route says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aeon.api.error_description import DATABASE_ERRORS, LOGIN_ERRORS, error_responses

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": ["integer", "null"]}
_MAYBE_TEXT: Final[Json] = {"type": ["string", "null"]}

UPLOADED_FILE: Final[Json] = {
    "type": "object",
    "title": "UploadedFile",
    "required": ["media_id", "media_url", "media_type", "media_size", "message_type"],
    "properties": {
        "media_id": _TEXT | {"description": "For `media_id` of a message; yours only."},
        "media_url": _TEXT | {"description": "Signed; works in `<img src>`; expires in hours."},
        "media_type": _TEXT | {"description": "MIME type found in the content."},
        "media_size": {"type": "integer"},
        "media_duration": _NUMBER,
        "width": _NUMBER,
        "height": _NUMBER,
        "filename": _MAYBE_TEXT,
        "thumbnail_url": _MAYBE_TEXT,
        "waveform": {"type": ["array", "null"], "items": {"type": "integer"}},
        "message_type": {
            "type": "string",
            "enum": ["photo", "video", "audio", "voice", "document"],
        },
    },
}
_EXAMPLE: Final[Json] = {
    "media_id": "hQ3vT0aXo2mNcK1s",
    "media_url": "https://example.org/media/hQ3vT0aXo2mNcK1s.jpg?e=1795500000&s=c2lnbmF0dXJl",
    "media_type": "image/jpeg",
    "media_size": 48213,
    "media_duration": None,
    "width": 1280,
    "height": 960,
    "filename": "beach.jpg",
    "thumbnail_url": None,
    "waveform": None,
    "message_type": "photo",
}
_ANSWER: Final[Json] = {
    "description": "Done",
    "content": {"application/json": {"schema": UPLOADED_FILE, "example": _EXAMPLE}},
}
_EVERY_CALL: Final = (*LOGIN_ERRORS, *DATABASE_ERRORS, "rate_limited", "internal_error")
_UPLOAD_ERRORS: Final = (
    *_EVERY_CALL,
    "file_too_large",
    "quota_exceeded",
    "invalid_upload",
    "too_many_uploads",
    "storage_full",
    "files_unavailable",
    "request_timeout",
    "bad_request",
    "outcome_unknown",
    "invalid_data",
    "conflict",
)
_DOWNLOAD_ERRORS: Final = (
    "file_not_found",
    "range_not_satisfiable",
    "files_unavailable",
    *DATABASE_ERRORS,
    "internal_error",
)
_LENGTHS: Final = {
    name: {"schema": {"type": "integer", "minimum": 0}}
    for name in ("Upload-Offset", "Upload-Length")
}
_PLACE: Final[Json] = {
    **_LENGTHS,
    "Upload-Expires": {"schema": _TEXT},
    "Upload-Media-Id": {"description": "Once it is complete", "schema": _TEXT},
}
_SIGNATURE: Final[list[Json]] = [
    {"name": name, "in": "query", "required": True, "schema": _TEXT} for name in ("e", "s")
]


def _parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _download(summary: str, operation: str) -> Json:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "description": (
                "The link is the permission: no credentials. Take it from a message, a chat or"
                " an upload. One range is served (206); `If-None-Match` and `If-Range` work."
            ),
            "tags": ["files"],
            "security": [],
            "parameters": [_parameter("name"), *_SIGNATURE],
            "responses": {
                "200": {
                    "description": "The bytes",
                    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
                },
                "206": {"description": "A part of them"},
                "304": {"description": "What you have is still right"},
                **error_responses(_DOWNLOAD_ERRORS),
            },
        }
    }


def media_paths(security: list[Json]) -> Mapping[str, Json]:
    """Describe the routes of ``aeon.api.media`` and ``aeon.api.resumable``."""
    form: Json = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "kind": {"type": "string", "enum": ["voice"]},
            "file": {"type": "string", "format": "binary"},
        },
    }
    return {
        "/api/v1/messages/upload-media": {
            "post": {
                "operationId": "upload_media",
                "summary": "Upload a file",
                "description": (
                    "What it is is told by its content. `kind=voice` makes a voice message of"
                    " sound. A file that no message or chat uses goes after a day. For bad"
                    " networks there are resumable uploads at `/api/v1/uploads` (tus 1.0:"
                    " creation, termination, checksum sha1 and sha256, expiration); the last"
                    " piece's answer names the file in `Upload-Media-Id`."
                ),
                "tags": ["files"],
                "security": security,
                "requestBody": {
                    "required": True,
                    "content": {"multipart/form-data": {"schema": form}},
                },
                "responses": {"200": _ANSWER, **error_responses(_UPLOAD_ERRORS)},
            }
        },
        "/api/v1/uploads/{upload_id}": {
            "get": {
                "operationId": "show_upload",
                "summary": "Show what a resumable upload became",
                "description": "404 until its last byte has arrived.",
                "tags": ["files"],
                "security": security,
                "parameters": [_parameter("upload_id")],
                "responses": {
                    "200": _ANSWER,
                    **error_responses((*_EVERY_CALL, "upload_not_found")),
                },
            },
            **_one_upload(security),
        },
        "/api/v1/uploads": _uploads(security),
        "/media/{name}": _download("Download a file", "download_file"),
        "/media/{name}/thumbnail.webp": _download("Download a preview", "download_preview"),
    }


def _tus(security: list[Json], summary: str, operation: str, good: Json, *codes: str) -> Json:
    """Describe an operation of the resumable protocol, whose answers have no body."""
    header = _header("Tus-Resumable", {"const": "1.0.0"}, is_required=True)
    expected = dict.fromkeys((*_EVERY_CALL, "unsupported_version", *codes))
    responses = {**good, **error_responses(expected)}
    return {
        "operationId": operation,
        "summary": summary,
        "description": "Resumable upload, tus 1.0. " + summary + ".",
        "tags": ["files"],
        "security": security,
        "parameters": [header],
        "responses": responses,
    }


def _header(name: str, schema: Json, *, is_required: bool = False) -> Json:
    return {"name": name, "in": "header", "required": is_required, "schema": schema}


def _uploads(security: list[Json]) -> Json:
    good = {"201": {"description": "Created", "headers": {**_PLACE, "Location": {"schema": _TEXT}}}}
    create = _tus(security, "Begin a resumable upload", "create_upload", good, *_UPLOAD_ERRORS)
    length = {"type": "integer", "minimum": 1}
    create["parameters"] += [
        _header("Upload-Length", length, is_required=True),
        _header("Upload-Metadata", {"type": "string", "maxLength": 4096}),
    ]
    return {"post": create, "options": _options("show_upload_protocol")}


def _one_upload(security: list[Json]) -> Json:
    gone = "upload_not_found"
    where = {"200": {"description": "Where it stands", "headers": _PLACE}}
    kept = {"204": {"description": "Kept", "headers": _PLACE}}
    piece_errors = (
        *_UPLOAD_ERRORS,
        gone,
        "unsupported_media_type",
        "offset_mismatch",
        "checksum_mismatch",
        "upload_locked",
    )
    head = _tus(security, "Ask where an upload stands", "head_upload", where, gone)
    patch = _tus(security, "Send a piece", "patch_upload", kept, *piece_errors)
    done = {"204": {"description": "Gone"}}
    delete = _tus(security, "Give an upload up", "delete_upload", done, gone, "upload_locked")
    post = _tus(
        security, "Do the same where only POST is possible", "override_upload",
        {**where, **kept}, *piece_errors, "method_not_allowed",
    )  # fmt: skip
    offset = {"type": "integer", "minimum": 0}
    checksum = _header("Upload-Checksum", {"type": "string", "examples": ["sha256 <Base64>"]})
    piece = {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    patch["parameters"] += [_header("Upload-Offset", offset, is_required=True), checksum]
    patch["requestBody"] = {"required": True, "content": piece}
    override = {"type": "string", "enum": ["PATCH", "DELETE", "HEAD"]}
    post["parameters"] += [
        _header("X-HTTP-Method-Override", override, is_required=True),
        _header("Upload-Offset", offset),
        checksum,
    ]
    post["requestBody"] = {"required": False, "content": piece}
    found: Json = {"head": head, "patch": patch, "delete": delete, "post": post}
    for operation in found.values():
        operation["parameters"].append(_parameter("upload_id"))
    options = _options("show_upload_protocol_of_one")
    options["parameters"] = [_parameter("upload_id")]
    return {**found, "options": options}


def _options(operation: str) -> Json:
    names = ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
    return {
        "operationId": operation,
        "summary": "Ask what resumable uploads can do",
        "description": "Versions, extensions and the largest file, in headers.",
        "tags": ["files"],
        "security": [],
        "responses": {
            "200": {"description": "Done", "headers": {name: {"schema": _TEXT} for name in names}}
        },
    }
