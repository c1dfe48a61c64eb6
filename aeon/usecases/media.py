"""Upload files, open links, and let a chat's photo be an uploaded one."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Final

from aeon.auth.principal import Principal
from aeon.media.errors import FileTooLarge, MediaNotFound
from aeon.media.form import UploadForm
from aeon.media.links import media_id_of_name, thumbnail_subject
from aeon.media.names import clean_filename
from aeon.services import Services
from aeon.wire.links import PHOTO_REFERENCE
from storage import chats, media
from storage.ids import ChatId
from storage.records import MediaRecord

FORM_OVERHEAD_BYTES: Final = 64 * 1024
"""What a form may add to its file: boundaries, headers, fields."""
VOICE: Final = "voice"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """What a valid link leads to."""

    record: MediaRecord
    key: str
    """Of the bytes; also their version, for ETag."""
    size_bytes: int
    media_type: str
    valid_seconds: int
    """How long the link is still valid."""


async def upload_file(
    services: Services,
    principal: Principal,
    body: AsyncIterable[bytes],
    *,
    content_type: str | None,
    content_length: int | None,
) -> MediaRecord:
    """Take in a form with a file as it arrives.

    Cancellation: nothing of the file is kept.

    Raises:
        aeon.media.errors.MediaError: too large, broken, too many, no room.
    """
    depot = services.media
    form = UploadForm(content_type)
    max_bytes = depot.limits.max_file_bytes
    if content_length is not None and content_length > max_bytes + FORM_OVERHEAD_BYTES:
        raise FileTooLarge(max_bytes)
    with depot.upload_slot(principal.user_id):
        await depot.check_quota(principal.user_id, content_length or 0)
        async with depot.staging.receive(max_bytes) as incoming:
            received_bytes = 0
            async for chunk in body:
                # Also of what stands around the file: a chunked body announces no end.
                received_bytes += len(chunk)
                if received_bytes > max_bytes + FORM_OVERHEAD_BYTES:
                    raise FileTooLarge(max_bytes)
                pieces = form.feed(chunk)
                if pieces:
                    await incoming.write(pieces)
            form.finish()
            return await depot.take_in(
                principal.user_id,
                await incoming.complete(),
                filename=clean_filename(form.raw_filename),
                is_voice=form.fields.get("kind", "").strip().lower() == VOICE,
            )


async def open_file(services: Services, name: str, expires: str, signature: str) -> OpenedFile:
    """Find the file behind a link. The link is the permission.

    Raises:
        MediaNotFound: it is forged or expired, or nothing refers to the file any more.
    """
    media_id = media_id_of_name(name)
    valid = services.media.signer.remaining_seconds(media_id, expires, signature)
    if valid is None:
        raise MediaNotFound
    stored = await services.media.find(media_id)
    record = stored.record
    assert stored.object_key is not None, "find() promises it"
    return OpenedFile(record, stored.object_key, record.size_bytes, record.media_type, valid)


async def open_thumbnail(services: Services, name: str, expires: str, signature: str) -> OpenedFile:
    """Find the preview behind a link; makes it if it is late.

    Raises:
        MediaNotFound: as ``open_file``; or there is no preview.
    """
    media_id = media_id_of_name(name)
    subject = thumbnail_subject(media_id)
    valid = services.media.signer.remaining_seconds(subject, expires, signature)
    if valid is None:
        raise MediaNotFound
    stored = await services.media.find(media_id)
    key = await services.media.thumbnail_key(stored)
    size = await services.media.store.size(key)
    if size is None:
        raise MediaNotFound
    return OpenedFile(stored.record, key, size, "image/webp", valid)


async def stored_photo(
    services: Services, principal: Principal, url: str | None, chat_id: ChatId | None = None
) -> str | None:
    """Turn a link to an uploaded picture into the reference a chat keeps: links expire.

    Only one's own upload, or the photo the chat has already, becomes a reference. Any other
    address stays what it is, so that nobody gains fresh links to a file by an old one.
    """
    media_id = None if url is None else services.media.links.media_id_of(url)
    if media_id is None:
        return url
    reference = PHOTO_REFERENCE + media_id
    async with services.database.connection() as conn:
        record = await media.get_media(conn, media_id)
        if record is not None and record.uploader_id == principal.user_id:
            return reference
        view = None
        if chat_id is not None:
            view = await chats.get_chat(conn, chat_id, principal.user_id)
    return reference if view is not None and view.chat.photo_url == reference else url
