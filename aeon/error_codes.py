"""The table of failures: code, HTTP status, form over WebSocket, and whether a retry helps.

Codes are stable: clients decide by them. Texts are for people and may change. Neither ever
holds init data, tokens, message text or what another person wrote. ``aeon.errors`` maps what was
raised to its line; ``/openapi.json`` and ``aeon/ws/PROTOCOL.md`` show the table to clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

CHECKSUM_MISMATCH: Final = 460
"""tus 1.0 has a status of its own."""

FRAME: Final = "error"
REFUSED: Final = "close 4001"
FAULT: Final = "close 4500"
EITHER: Final = f"{FRAME}; {FAULT} while connecting"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A line of the table."""

    status: int
    message: str
    retryable: bool = False
    """Whether the very same request may succeed later."""
    socket: str = ""
    """How a WebSocket client meets it: an error frame, or the code of a close whose reason is
    the error's code. Empty: only REST has it."""


_OUTCOME_UNKNOWN = (
    "It is not known whether this took effect. Send it again with the same client_msg_id:"
    " it will not happen twice."
)

ERRORS: Final[Mapping[str, ErrorKind]] = MappingProxyType(
    {
        # Who is it
        "init_data_missing": ErrorKind(
            HTTPStatus.UNAUTHORIZED,
            "No credentials: send the header X-Telegram-Init-Data or Authorization: Bearer."
            " Init data is empty when the app was not opened inside Telegram.",
            socket=REFUSED,
        ),
        "init_data_invalid": ErrorKind(
            HTTPStatus.UNAUTHORIZED,
            "The init data is not signed by Telegram for this bot, or is from the future by this"
            " server's clock.",
            socket=REFUSED,
        ),
        "init_data_expired": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "The init data is too old: open the app again.", socket=REFUSED
        ),
        "token_invalid": ErrorKind(
            HTTPStatus.UNAUTHORIZED,
            "The access token is not valid, or was revoked.",
            socket=REFUSED,
        ),
        "token_expired": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "The access token has expired.", socket=REFUSED
        ),
        "login_unavailable": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Nobody can log in: the server has no TELEGRAM_BOT_TOKEN yet.",
            retryable=True,
            socket=FAULT,
        ),
        # What is asked
        "not_found": ErrorKind(HTTPStatus.NOT_FOUND, "There is nothing at this address."),
        "method_not_allowed": ErrorKind(
            HTTPStatus.METHOD_NOT_ALLOWED, "This address does not take this method."
        ),
        "upgrade_required": ErrorKind(
            HTTPStatus.UPGRADE_REQUIRED,
            "This address takes a WebSocket handshake only; a proxy on the way has to pass its"
            " headers Upgrade and Connection on.",
        ),
        "invalid_json": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The body is not JSON.", socket=FRAME
        ),
        "invalid_field": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The input is not valid; details name the fields.",
            socket=FRAME,
        ),
        "message_too_long": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The text is too long.", socket=FRAME
        ),
        "invalid_data": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "These values can not be stored.", socket=FRAME
        ),
        "payload_too_large": ErrorKind(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.", socket="close 1009"
        ),
        "bad_request": ErrorKind(HTTPStatus.BAD_REQUEST, "The request is malformed."),
        "request_timeout": ErrorKind(
            HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.", retryable=True
        ),
        "rate_limited": ErrorKind(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests; wait a little.",
            retryable=True,
            socket=f"{FRAME}; close 4029 while connecting",
        ),
        # The rules of chats
        "not_a_member": ErrorKind(
            HTTPStatus.FORBIDDEN, "There is no such chat, or you are not in it.", socket=FRAME
        ),
        "not_allowed": ErrorKind(HTTPStatus.FORBIDDEN, "You may not do this.", socket=FRAME),
        "edit_window_passed": ErrorKind(
            HTTPStatus.FORBIDDEN, "The message is too old to be edited.", socket=FRAME
        ),
        "chat_deleted": ErrorKind(HTTPStatus.NOT_FOUND, "The chat was deleted.", socket=FRAME),
        "chat_not_found": ErrorKind(
            HTTPStatus.NOT_FOUND, "There is no such chat, or it is not yours to delete."
        ),
        "message_not_found": ErrorKind(
            HTTPStatus.NOT_FOUND, "There is no such message, or it is not yours.", socket=FRAME
        ),
        "user_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "There is no such person."),
        "member_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "This person is not in the chat."),
        "session_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "You have no such session."),
        "actor_not_found": ErrorKind(
            HTTPStatus.NOT_FOUND, "No such actor runs on the node that was asked."
        ),
        "reply_not_found": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "The message to reply to is not in this chat.",
            socket=FRAME,
        ),
        "media_not_found": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "You have uploaded no such file.", socket=FRAME
        ),
        "file_too_large": ErrorKind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The file is too large."),
        "invalid_upload": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The upload is not a form with a file."
        ),
        "too_many_uploads": ErrorKind(
            HTTPStatus.TOO_MANY_REQUESTS, "Too many uploads at a time.", retryable=True
        ),
        "quota_exceeded": ErrorKind(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Your files leave no room for this one."
        ),
        "storage_full": ErrorKind(
            HTTPStatus.INSUFFICIENT_STORAGE,
            "The server has no room left for files.",
            retryable=True,
        ),
        "files_unavailable": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Files can not be reached right now; nothing was kept.",
            retryable=True,
        ),
        "file_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "No such file, or the link has expired."),
        "range_not_satisfiable": ErrorKind(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file ends before this range."
        ),
        "upload_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "No such upload."),
        "offset_mismatch": ErrorKind(
            HTTPStatus.CONFLICT, "The upload stands elsewhere; ask where with HEAD."
        ),
        "checksum_mismatch": ErrorKind(
            CHECKSUM_MISMATCH,
            "The piece does not match its checksum.",
            retryable=True,
        ),
        "upload_locked": ErrorKind(
            HTTPStatus.LOCKED, "Another request is writing to this upload.", retryable=True
        ),
        "unsupported_media_type": ErrorKind(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Pieces are sent as application/offset+octet-stream."
        ),
        "unsupported_version": ErrorKind(
            HTTPStatus.PRECONDITION_FAILED, "The header Tus-Resumable is missing or not 1.0.0."
        ),
        "already_a_member": ErrorKind(
            HTTPStatus.BAD_REQUEST, "This person is in the chat already."
        ),
        "already_invited": ErrorKind(
            HTTPStatus.BAD_REQUEST, "This person has been invited already."
        ),
        "client_msg_id_reused": ErrorKind(
            HTTPStatus.CONFLICT, "This client_msg_id names a message of another chat.", socket=FRAME
        ),
        "private_chat_full": ErrorKind(
            HTTPStatus.CONFLICT, "A private chat of two takes nobody else."
        ),
        "chat_full": ErrorKind(HTTPStatus.CONFLICT, "The chat has as many members as it may."),
        "owner_must_transfer": ErrorKind(
            HTTPStatus.CONFLICT, "Hand the chat over before you leave it."
        ),
        "conflict": ErrorKind(
            HTTPStatus.CONFLICT,
            "Somebody else changed this at the same moment.",
            retryable=True,
            socket=FRAME,
        ),
        "too_far": ErrorKind(
            HTTPStatus.GONE,
            "The log does not reach back that far: load the chat afresh.",
            socket="in `resync` of `resume`; close 4500",
        ),
        # The server
        "overloaded": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too much is waiting; nothing was done.",
            retryable=True,
            socket=EITHER,
        ),
        "unavailable": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database can not be reached; nothing was done.",
            retryable=True,
            socket=EITHER,
        ),
        "outcome_unknown": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE, _OUTCOME_UNKNOWN, retryable=True, socket=FRAME
        ),
        "internal_error": ErrorKind(
            HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.", socket=EITHER
        ),
        # Only over WebSocket
        "unauthenticated": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "Say who you are first.", socket=FRAME
        ),
        "auth_timeout": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "Nobody logged in in time.", socket=REFUSED
        ),
        "invalid_frame": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "A frame is text, one JSON object.", socket=FRAME
        ),
        "unknown_type": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown type of frame.", socket=FRAME
        ),
    }
)
"""The table. ``RejectReason`` values are codes as they stand."""
