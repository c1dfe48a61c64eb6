"""Upload a file in pieces that can be resumed at any byte, also after the server restarted.

How far an upload has come is in the database, and is written only behind bytes that are safely
on disk. What lies behind that in its file (a piece that was cut off) is overwritten.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterable
from dataclasses import dataclass, replace
from typing import Final

import trio

from aeon.auth.principal import Principal
from aeon.media.depot import Depot, new_media_id
from aeon.media.errors import (
    ChecksumMismatch,
    FileTooLarge,
    InvalidUpload,
    OffsetMismatch,
    TooManyUploads,
    UploadNotFound,
)
from aeon.media.names import clean_filename
from aeon.media.staging import PIECE_BYTES
from aeon.services import Services
from storage import media, uploads
from storage.records import MediaRecord
from storage.uploads import UploadRecord

SAFE_EVERY_BYTES: Final = 4 * 1024 * 1024
"""A crash of the machine costs at most this much of an upload."""
SETTLE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the next piece has to be."""

    algorithm: str
    """A name that hashlib knows."""
    digest: bytes


async def create_upload(
    services: Services,
    principal: Principal,
    *,
    size_bytes: int,
    filename: str | None,
    is_voice: bool,
) -> UploadRecord:
    """Announce a file of a known size."""
    depot = services.media
    if size_bytes > depot.limits.max_file_bytes:
        raise FileTooLarge(depot.limits.max_file_bytes)
    if size_bytes < 1:
        raise InvalidUpload("The file is empty.", field="Upload-Length")
    async with depot.adding(principal.user_id) as conn:
        # Announced bytes count: many uploads at once may not promise more than there is.
        announced = await uploads.announced_bytes(conn, principal.user_id)
        await depot.check_quota_in(conn, principal.user_id, announced + size_bytes)
        upload = await uploads.insert_upload(
            conn,
            upload_id=new_media_id(),
            user_id=principal.user_id,
            size_bytes=size_bytes,
            filename=clean_filename(filename),
            is_voice=is_voice,
            lifetime=depot.limits.upload_lifetime,
            max_unfinished=depot.limits.unfinished_uploads_per_user,
        )
    if upload is None:
        raise TooManyUploads(depot.limits.unfinished_uploads_per_user, retry_after_seconds=60.0)
    return upload


async def get_upload(services: Services, principal: Principal, upload_id: str) -> UploadRecord:
    """Tell how far one's own upload has come.

    Raises:
        UploadNotFound: there is none, or its time is over.
    """
    async with services.database.connection() as conn:
        upload = await uploads.get_upload(conn, upload_id, principal.user_id)
    if upload is None:
        raise UploadNotFound
    return upload


async def finished_media(
    services: Services, principal: Principal, upload_id: str
) -> MediaRecord | None:
    """Give the file that an upload became; None while bytes are missing.

    Also ends an upload whose last bytes came, but whose request did not get to its end.
    """
    depot = services.media
    upload = await get_upload(services, principal, upload_id)
    if upload.media_id is None and upload.received_bytes == upload.size_bytes:
        async with depot.staging.lock(upload_id):
            upload = await _finish(depot, await get_upload(services, principal, upload_id))
    if upload.media_id is None:
        return None
    async with services.database.connection() as conn:
        return await media.get_media(conn, upload.media_id)


async def append_piece(
    services: Services,
    principal: Principal,
    upload_id: str,
    offset: int,
    body: AsyncIterable[bytes],
    checksum: Checksum | None = None,
) -> UploadRecord:
    """Take the next piece; the last one turns the upload into a file.

    Cancellation: what has arrived is kept, unless it has a checksum to pass.

    Raises:
        OffsetMismatch: the upload stands elsewhere.
        ChecksumMismatch: the piece was damaged; it is thrown away.
        aeon.media.errors.MediaError: too large, no room.
    """
    depot = services.media
    # Only what exists has a file that can be held.
    await get_upload(services, principal, upload_id)
    with depot.upload_slot(principal.user_id):
        async with depot.staging.lock(upload_id):
            return await _append(services, principal, upload_id, offset, body, checksum)


async def _append(
    services: Services,
    principal: Principal,
    upload_id: str,
    offset: int,
    body: AsyncIterable[bytes],
    checksum: Checksum | None,
) -> UploadRecord:
    depot = services.media
    upload = await get_upload(services, principal, upload_id)
    if upload.media_id is not None or upload.received_bytes != offset:
        raise OffsetMismatch(upload.received_bytes)
    piece = _Piece(depot, upload, checksum)
    try:
        async for chunk in body:
            await piece.write(chunk)
    except BaseException:
        with trio.move_on_after(SETTLE_SECONDS, shield=True):
            await piece.keep_what_came()
        raise
    upload = await piece.complete()
    if upload.received_bytes < upload.size_bytes:
        return upload
    return await _finish(depot, upload)


async def delete_upload(services: Services, principal: Principal, upload_id: str) -> None:
    """Give an upload up; a file it became stays.

    Raises:
        UploadNotFound: there is none.
    """
    depot = services.media
    await get_upload(services, principal, upload_id)
    async with depot.staging.lock(upload_id):
        async with services.database.connection() as conn:
            if not await uploads.delete_upload(conn, upload_id, principal.user_id):
                raise UploadNotFound
        await depot.staging.discard(upload_id)


class _Piece:
    """The body of one PATCH on its way to the upload's file."""

    def __init__(self, depot: Depot, upload: UploadRecord, checksum: Checksum | None) -> None:
        self._depot = depot
        self._upload = upload
        self._checksum = checksum
        self._hash = None if checksum is None else hashlib.new(checksum.algorithm)
        self._pieces: list[bytes] = []
        self._pending_bytes = 0
        self._written = upload.received_bytes

    async def write(self, chunk: bytes) -> None:
        if self._written + self._pending_bytes + len(chunk) > self._upload.size_bytes:
            raise FileTooLarge(self._upload.size_bytes)
        if self._hash is not None:
            self._hash.update(chunk)
        self._pieces.append(chunk)
        self._pending_bytes += len(chunk)
        if self._pending_bytes >= PIECE_BYTES:
            await self._flush()
        if (
            self._checksum is None
            and self._written - self._upload.received_bytes >= SAFE_EVERY_BYTES
        ):
            await self._make_safe()

    async def complete(self) -> UploadRecord:
        await self._flush()
        if (
            self._checksum is not None
            and self._hash is not None
            and not hmac.compare_digest(self._hash.digest(), self._checksum.digest)
        ):
            raise ChecksumMismatch
        await self._make_safe()
        return self._upload

    async def keep_what_came(self) -> None:
        """After an interruption: a piece that must pass a checksum counts as nothing."""
        if self._checksum is None:
            await self._flush()
            await self._make_safe()

    async def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        size, self._pending_bytes = self._pending_bytes, 0
        if pieces:
            try:
                await self._depot.staging.append(self._upload.id, self._written, pieces)
            except FileNotFoundError:
                raise UploadNotFound from None
            self._written += size

    async def _make_safe(self) -> None:
        """Bring the bytes to disk, then note them."""
        if self._written == self._upload.received_bytes:
            return
        await self._depot.staging.sync(self._upload.id)
        async with self._depot.database.connection() as conn:
            expires_at = await uploads.advance(
                conn,
                self._upload.id,
                self._upload.received_bytes,
                self._written,
                self._depot.limits.upload_lifetime,
            )
        if expires_at is None:
            raise OffsetMismatch(self._upload.received_bytes)
        self._upload = replace(self._upload, received_bytes=self._written, expires_at=expires_at)


async def _finish(depot: Depot, upload: UploadRecord) -> UploadRecord:
    if upload.media_id is not None:
        return upload
    try:
        staged = await depot.staging.hash_partial(upload.id, upload.size_bytes)
    except FileNotFoundError:
        raise UploadNotFound from None
    record = await depot.take_in(
        upload.user_id, staged, filename=upload.filename, is_voice=upload.is_voice
    )
    async with depot.database.connection() as conn:
        await uploads.finish(conn, upload.id, record.id)
    await depot.staging.discard(upload.id)
    return replace(upload, media_id=record.id)
