"""How files are described in ``/openapi.json``: their bodies are no JSON, so no route says it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

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
_ANSWER: Final[Json] = {
    "description": "Done",
    "content": {"application/json": {"schema": UPLOADED_FILE}},
}
_ERROR: Final[Json] = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
_SIGNATURE: Final[list[Json]] = [
    {"name": name, "in": "query", "required": True, "schema": _TEXT} for name in ("e", "s")
]


def _errors(*statuses: int) -> Json:
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": _ERROR}
        for status in statuses
    }


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
                "416": {"description": "Behind the end"},
                **_errors(404, 500, 503),
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
                "responses": {"200": _ANSWER, **_errors(401, 413, 422, 429, 500, 503, 507)},
            }
        },
        "/api/v1/uploads/{upload_id}": {
            "get": {
                "operationId": "show_upload",
                "summary": "Show what a resumable upload became",
                "tags": ["files"],
                "security": security,
                "parameters": [_parameter("upload_id")],
                "responses": {"200": _ANSWER, **_errors(401, 404, 429, 500, 503)},
            }
        },
        "/media/{name}": _download("Download a file", "download_file"),
        "/media/{name}/thumbnail.webp": _download("Download a preview", "download_preview"),
    }
