"""Every way a request can fail, and its line in the table of ``aeon.error_codes``.

``describe`` maps whatever was raised (by storage, the actors, a chat's rules or the edge) to
its line of the table; what is in no line is a bug of ours: ``internal_error``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from aeon.error_codes import ERRORS
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


BY_CLASS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (MailboxFull, "overloaded"),
    (AskTimeout, "outcome_unknown"),
    (ActorFailed, "outcome_unknown"),
    (AskCycle, "internal_error"),
    (UnknownKind, "internal_error"),
    (ActorError, "unavailable"),
    (storage_errors.Overloaded, "overloaded"),
    (storage_errors.PoolExhausted, "overloaded"),
    # Two wanted the same rows, again and again: nobody's fault, and it goes away by itself.
    (storage_errors.Contention, "overloaded"),
    (storage_errors.Unavailable, "unavailable"),
    (storage_errors.CommitUnknown, "outcome_unknown"),
    (storage_errors.StatementTimeout, "unavailable"),
    (storage_errors.Conflict, "conflict"),
    (storage_errors.InvalidData, "invalid_data"),
    (storage_errors.SchemaMismatch, "unavailable"),
    (media_errors.FileTooLarge, "file_too_large"),
    (media_errors.UnsupportedType, "unsupported_media_type"),
    (media_errors.InvalidUpload, "invalid_upload"),
    (media_errors.TooManyUploads, "too_many_uploads"),
    (media_errors.QuotaExceeded, "quota_exceeded"),
    (media_errors.StorageFull, "storage_full"),
    (media_errors.StoreUnavailable, "files_unavailable"),
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
        status_code=int(kind.status),
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
