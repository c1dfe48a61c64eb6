"""Every way a request can fail, in one table: code, HTTP status, and whether a retry helps.

Codes are stable: clients decide by them. Texts are for people and may change. Neither ever
holds init data, tokens, message text or what another person wrote.

``describe`` maps whatever was raised (by storage, the actors, a chat's rules or the edge) to
its line of the table; what is in no line is a bug of ours: ``internal_error``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from actors.chat.errors import ChatRefused
from actors.runtime import (
    ActorError,
    ActorFailed,
    AskCycle,
    AskTimeout,
    MailboxFull,
    UnknownKind,
)
from aeon.media import errors as media_errors
from storage import errors as storage_errors
from storage.commands import RejectReason


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of the input that is wrong."""

    field: str
    """Path in the input, dotted; empty when it is about the input as a whole."""
    message: str
    code: str = "invalid_field"


class EdgeError(Exception):
    """A request is refused at the edge, with a code of the table."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        details: Sequence[FieldFault] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.retry_after_seconds = retry_after_seconds


class AuthError(EdgeError):
    """Nobody, or nobody any more: a 401."""


class InvalidInput(EdgeError):
    """The input is malformed; ``details`` name the fields."""

    def __init__(self, details: Sequence[FieldFault]) -> None:
        super().__init__(details[0].code if len(details) == 1 else "invalid_field", details=details)


class RateLimited(EdgeError):
    """Too many requests of this kind by this person."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("rate_limited", retry_after_seconds=retry_after_seconds)


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A line of the table."""

    status: HTTPStatus
    message: str
    retryable: bool = False
    """Whether the very same request may succeed later."""


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
        ),
        "init_data_invalid": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "The init data is not signed by Telegram for this bot."
        ),
        "init_data_expired": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "The init data is too old: open the app again."
        ),
        "token_invalid": ErrorKind(
            HTTPStatus.UNAUTHORIZED, "The access token is not valid, or was revoked."
        ),
        "token_expired": ErrorKind(HTTPStatus.UNAUTHORIZED, "The access token has expired."),
        "login_unavailable": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Nobody can log in: the server has no TELEGRAM_BOT_TOKEN yet.",
            retryable=True,
        ),
        # What is asked
        "not_found": ErrorKind(HTTPStatus.NOT_FOUND, "There is nothing at this address."),
        "method_not_allowed": ErrorKind(
            HTTPStatus.METHOD_NOT_ALLOWED, "This address does not take this method."
        ),
        "invalid_json": ErrorKind(HTTPStatus.UNPROCESSABLE_ENTITY, "The body is not JSON."),
        "invalid_field": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The input is not valid; details name the fields."
        ),
        "message_too_long": ErrorKind(HTTPStatus.UNPROCESSABLE_ENTITY, "The text is too long."),
        "invalid_data": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "These values can not be stored."
        ),
        "payload_too_large": ErrorKind(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large."
        ),
        "bad_request": ErrorKind(HTTPStatus.BAD_REQUEST, "The request is malformed."),
        "request_timeout": ErrorKind(
            HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.", retryable=True
        ),
        "rate_limited": ErrorKind(
            HTTPStatus.TOO_MANY_REQUESTS, "Too many requests; wait a little.", retryable=True
        ),
        # The rules of chats
        "not_a_member": ErrorKind(
            HTTPStatus.FORBIDDEN, "There is no such chat, or you are not in it."
        ),
        "not_allowed": ErrorKind(HTTPStatus.FORBIDDEN, "You may not do this."),
        "edit_window_passed": ErrorKind(
            HTTPStatus.FORBIDDEN, "The message is too old to be edited."
        ),
        "chat_deleted": ErrorKind(HTTPStatus.NOT_FOUND, "The chat was deleted."),
        "chat_not_found": ErrorKind(
            HTTPStatus.NOT_FOUND, "There is no such chat, or it is not yours to delete."
        ),
        "message_not_found": ErrorKind(
            HTTPStatus.NOT_FOUND, "There is no such message, or it is not yours."
        ),
        "user_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "There is no such person."),
        "member_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "This person is not in the chat."),
        "session_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "You have no such session."),
        "reply_not_found": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The message to reply to is not in this chat."
        ),
        "media_not_found": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "You have uploaded no such file."
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
        "file_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "No such file, or the link has expired."),
        "upload_not_found": ErrorKind(HTTPStatus.NOT_FOUND, "No such upload."),
        "offset_mismatch": ErrorKind(
            HTTPStatus.CONFLICT, "The upload stands elsewhere; ask where with HEAD."
        ),
        "checksum_mismatch": ErrorKind(
            # The protocol of resumable uploads has its own status for it, 460.
            HTTPStatus.BAD_REQUEST,
            "The piece does not match its checksum.",
            retryable=True,
        ),
        "upload_locked": ErrorKind(
            HTTPStatus.LOCKED, "Another request is writing to this upload.", retryable=True
        ),
        "already_a_member": ErrorKind(
            HTTPStatus.BAD_REQUEST, "This person is in the chat already."
        ),
        "already_invited": ErrorKind(
            HTTPStatus.BAD_REQUEST, "This person has been invited already."
        ),
        "client_msg_id_reused": ErrorKind(
            HTTPStatus.CONFLICT, "This client_msg_id names a message of another chat."
        ),
        "private_chat_full": ErrorKind(
            HTTPStatus.CONFLICT, "A private chat of two takes nobody else."
        ),
        "chat_full": ErrorKind(HTTPStatus.CONFLICT, "The chat has as many members as it may."),
        "owner_must_transfer": ErrorKind(
            HTTPStatus.CONFLICT, "Hand the chat over before you leave it."
        ),
        "conflict": ErrorKind(
            HTTPStatus.CONFLICT, "Somebody else changed this at the same moment.", retryable=True
        ),
        "too_far": ErrorKind(
            HTTPStatus.GONE, "The log does not reach back that far: load the chat afresh."
        ),
        # The server
        "overloaded": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE, "Too much is waiting; nothing was done.", retryable=True
        ),
        "unavailable": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database can not be reached; nothing was done.",
            retryable=True,
        ),
        "outcome_unknown": ErrorKind(
            HTTPStatus.SERVICE_UNAVAILABLE, _OUTCOME_UNKNOWN, retryable=True
        ),
        "internal_error": ErrorKind(
            HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side."
        ),
        # Only over WebSocket
        "unauthenticated": ErrorKind(HTTPStatus.UNAUTHORIZED, "Say who you are first."),
        "auth_timeout": ErrorKind(HTTPStatus.UNAUTHORIZED, "Nobody logged in in time."),
        "invalid_frame": ErrorKind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "A frame is text, one JSON object."
        ),
        "unknown_type": ErrorKind(HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown type of frame."),
    }
)
"""The table. ``RejectReason`` values are codes as they stand."""

BY_CLASS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (MailboxFull, "overloaded"),
    (AskTimeout, "outcome_unknown"),
    (ActorFailed, "outcome_unknown"),
    (AskCycle, "internal_error"),
    (UnknownKind, "internal_error"),
    (ActorError, "unavailable"),
    (storage_errors.Overloaded, "overloaded"),
    (storage_errors.PoolExhausted, "overloaded"),
    (storage_errors.Unavailable, "unavailable"),
    (storage_errors.CommitUnknown, "outcome_unknown"),
    (storage_errors.StatementTimeout, "unavailable"),
    (storage_errors.Conflict, "conflict"),
    (storage_errors.InvalidData, "invalid_data"),
    (storage_errors.SchemaMismatch, "unavailable"),
    (media_errors.FileTooLarge, "file_too_large"),
    (media_errors.InvalidUpload, "invalid_upload"),
    (media_errors.TooManyUploads, "too_many_uploads"),
    (media_errors.QuotaExceeded, "quota_exceeded"),
    (media_errors.StorageFull, "storage_full"),
    (media_errors.MediaNotFound, "file_not_found"),
    (media_errors.UploadNotFound, "upload_not_found"),
    (media_errors.OffsetMismatch, "offset_mismatch"),
    (media_errors.ChecksumMismatch, "checksum_mismatch"),
    (media_errors.UploadLocked, "upload_locked"),
)
"""Faults that come from below, the special before the general."""

_RETRY_AFTER_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What the client is told of a failure, whatever the transport."""

    code: str
    message: str
    status_code: int
    retryable: bool
    retry_after_seconds: float | None = None
    details: tuple[FieldFault, ...] = ()
    is_bug: bool = False
    """Nobody foresaw it: log it with its traceback."""


def describe(error: BaseException) -> Fault:
    """Find the line of the table for an error. Never raises."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case EdgeError():
            return fault(
                error.code,
                error.message,
                details=error.details,
                retry_after_seconds=error.retry_after_seconds,
            )
        case ChatRefused():
            return fault(error.reason.value, _refusal_text(error))
        case ActorFailed() if isinstance(error.__cause__, storage_errors.Unavailable):
            # It could not even load its state: this command was not carried out.
            return describe(error.__cause__)
        case media_errors.InvalidUpload():
            detail = FieldFault(error.field, str(error), "invalid_upload")
            return fault("invalid_upload", str(error), details=(detail,))
        case media_errors.TooManyUploads():
            return fault(
                "too_many_uploads", str(error), retry_after_seconds=error.retry_after_seconds
            )
        case media_errors.MediaError():
            return fault(_code_of(error), str(error))
        case storage_errors.Unavailable():
            code = _code_of(error)
            return fault(code, retry_after_seconds=error.retry_after_seconds)
        case _:
            return fault(_code_of(error))


def fault(
    code: str,
    message: str | None = None,
    *,
    details: tuple[FieldFault, ...] = (),
    retry_after_seconds: float | None = None,
) -> Fault:
    """Fill in a line of the table."""
    kind = ERRORS[code]
    if retry_after_seconds is None and kind.retryable:
        retry_after_seconds = _RETRY_AFTER_SECONDS
    return Fault(
        code=code,
        message=message or kind.message,
        status_code=kind.status.value,
        retryable=kind.retryable,
        retry_after_seconds=retry_after_seconds,
        details=details,
        is_bug=code == "internal_error",
    )


def _code_of(error: BaseException) -> str:
    for error_class, code in BY_CLASS:
        if isinstance(error, error_class):
            return code
    return "internal_error"


def _refusal_text(error: ChatRefused) -> str | None:
    """A rule's own words, as a sentence; else the table's."""
    if not error.message or error.reason is RejectReason.INVALID_DATA:
        return None
    return error.message[0].upper() + error.message[1:].rstrip(".") + "."
