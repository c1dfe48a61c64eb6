"""What can go wrong with a file, as the sender or the reader hears it.

    MediaError
    ├── FileTooLarge         more bytes than the server takes
    ├── InvalidUpload        a missing or empty file, a broken form
    ├── TooManyUploads       one person's uploads at a time are bounded
    ├── QuotaExceeded        this person's files fill what one person may store
    ├── StorageFull          the disk is full; nothing was kept
    ├── StoreUnavailable     the store of files does not answer
    ├── MediaNotFound        no such file, or the link is not valid (any more)
    └── tus: UnsupportedType, UploadNotFound, OffsetMismatch, ChecksumMismatch, UploadLocked

HTTP statuses are in the edge's one table.
"""

from __future__ import annotations


class MediaError(Exception):
    """Base of all faults of files."""


class FileTooLarge(MediaError):
    """The file grew beyond what the server takes."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The file is larger than {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class InvalidUpload(MediaError):
    """The form has no file, an empty one, or is not a form at all."""

    def __init__(self, message: str, *, field: str = "file") -> None:
        super().__init__(message)
        self.field = field


class UnsupportedType(MediaError):
    """A piece of a resumable upload does not say that it is one."""

    def __init__(self) -> None:
        super().__init__("Pieces are sent as application/offset+octet-stream.")


class TooManyUploads(MediaError):
    """This person has as many uploads under way as one person may have."""

    def __init__(self, limit: int, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(f"No more than {limit} uploads at a time.")
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(MediaError):
    """This person's stored files leave no room for another of this size."""

    def __init__(self, quota_bytes: int) -> None:
        super().__init__(f"Your files may take {quota_bytes} bytes in all.")
        self.quota_bytes = quota_bytes


class StorageFull(MediaError):
    """The server has no room left. Nothing of the file was kept."""

    def __init__(self) -> None:
        super().__init__("The server has no room left for files.")


class StoreUnavailable(MediaError):
    """What keeps the files does not answer. Of an upload nothing was kept."""

    def __init__(self) -> None:
        super().__init__("Files can not be reached right now.")


class StoreRefused(Exception):
    """The store can not be used as it is configured; the text says what to change."""


class MediaNotFound(MediaError):
    """No such file, nobody refers to it any more, or its link is forged or expired."""

    def __init__(self) -> None:
        super().__init__("No such file, or the link has expired.")


class UploadNotFound(MediaError):
    """No such resumable upload of this person, or it has expired."""

    def __init__(self) -> None:
        super().__init__("No such upload.")


class OffsetMismatch(MediaError):
    """The piece does not begin where the upload stands."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload stands at byte {offset}.")
        self.offset = offset


class ChecksumMismatch(MediaError):
    """The piece is not what its checksum says; it was thrown away."""

    def __init__(self) -> None:
        super().__init__("The piece does not match its checksum.")


class UploadLocked(MediaError):
    """Another request is writing to the same upload."""

    def __init__(self) -> None:
        super().__init__("Another request is writing to this upload.")
