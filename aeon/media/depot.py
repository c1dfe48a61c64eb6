"""The depot: takes files in, hands their bytes out, and forgets what nobody refers to.

Order of taking in: the file is complete in the staging area; it is examined; its rows are
committed; its bytes are moved to the store; only then is it answered. A crash between leaves at
most an unused row, which the janitor collects.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import trio

from aeon.config import Settings
from aeon.media.errors import (
    InvalidUpload,
    MediaNotFound,
    QuotaExceeded,
    StoreRefused,
    StoreUnavailable,
    TooManyUploads,
)
from aeon.media.examine import Examination, examine
from aeon.media.janitor import Janitor
from aeon.media.kinds import Format, MediaKind
from aeon.media.limits import MediaLimits
from aeon.media.links import LinkMaker, LinkSigner
from aeon.media.previews import Previews
from aeon.media.staging import StagedFile, StagingArea
from aeon.media.store import LocalStore, ObjectStore
from storage import media as media_rows
from storage.database import Connection, Database
from storage.ids import MediaId, UserId
from storage.media import StoredMedia
from storage.records import MediaRecord

_ID_BYTES: Final = 16
_PREVIEW_WAIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class MediaStatistics:
    """A snapshot; the counts are of this node, since it started."""

    uploads_open: int
    """Bodies that are being received right now."""
    files: dict[str, int]
    """Files taken in, by what they were recognised as."""
    bytes: int
    """Of those files."""
    quota_refusals: int
    busy_refusals: int
    """Uploads refused because their person had as many under way as one may have."""
    thumbnails_made: int
    thumbnails_failed: int
    """Images that could not be decoded, and failures of the store or the database."""
    thumbnails_waiting: int
    collected: int
    """Files deleted because nothing referred to them."""


class Depot:
    """One node's way to files; every part of it is bounded by ``limits``."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        staging: StagingArea,
        signer: LinkSigner,
        links: LinkMaker,
        limits: MediaLimits,
    ) -> None:
        self.store = store
        self.staging = staging
        self.signer = signer
        self.links = links
        self.limits = limits
        self.database = database
        self.janitor = Janitor(database, store, staging, limits)
        self._previews = Previews(database, store, staging)
        self._examiners = trio.CapacityLimiter(2)
        self._uploads: Counter[UserId] = Counter()
        self._turns: WeakValueDictionary[UserId, trio.Lock] = WeakValueDictionary()
        self._taken: Counter[str] = Counter()
        self._taken_bytes = self._quota_refusals = self._busy_refusals = 0

    async def check(self) -> None:
        """Look whether files can be kept; a store that does not answer now may later.

        Raises:
            StoreRefused: it never will, as it is configured.
        """
        await self.staging.check()
        with suppress(StoreUnavailable):
            await self.store.check()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make previews and collect garbage until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._previews.run)
            nursery.start_soon(self.janitor.run)
            task_status.started()

    @contextmanager
    def upload_slot(self, user_id: UserId) -> Iterator[None]:
        """Count an upload under way.

        Raises:
            TooManyUploads: this person has as many as one may have.
        """
        if self._uploads[user_id] >= self.limits.uploads_per_user:
            self._busy_refusals += 1
            raise TooManyUploads(self.limits.uploads_per_user)
        self._uploads[user_id] += 1
        try:
            yield
        finally:
            self._uploads[user_id] -= 1
            if not self._uploads[user_id]:
                del self._uploads[user_id]

    async def check_quota(self, user_id: UserId, size_bytes: int) -> None:
        """Look whether a person may store so much more, before anything is sent in vain.

        Raises:
            QuotaExceeded: they may not.
        """
        async with self.database.connection() as conn:
            await self.check_quota_in(conn, user_id, size_bytes)

    @asynccontextmanager
    async def adding(self, user_id: UserId) -> AsyncIterator[Connection]:
        """Give a transaction beside which nobody else adds to a person's files.

        One person's take turns on this node before they take a connection: an album of files
        would else hold all of the pool, each waiting for the row of the same person.
        """
        turn = self._turns.setdefault(user_id, trio.Lock())
        async with turn, self.database.transaction("adding") as conn:
            await media_rows.lock_uploader(conn, user_id)
            yield conn

    async def check_quota_in(self, conn: Connection, user_id: UserId, size_bytes: int) -> None:
        """Check it in ``adding``: then it holds until COMMIT."""
        stored = await media_rows.stored_bytes(conn, user_id)
        if stored + size_bytes > self.limits.user_quota_bytes:
            self._quota_refusals += 1
            raise QuotaExceeded(self.limits.user_quota_bytes)

    async def take_in(
        self, user_id: UserId, staged: StagedFile, *, filename: str | None, is_voice: bool
    ) -> MediaRecord:
        """Keep a complete file; its path is moved away or left to the staging area.

        Raises:
            InvalidUpload: it is empty.
            QuotaExceeded: this person's files leave no room for it.
            StorageFull: the store has no room.
        """
        if staged.size_bytes == 0:
            raise InvalidUpload("The file is empty.")
        found = await trio.to_thread.run_sync(
            partial(examine, staged.path, is_voice=is_voice), limiter=self._examiners
        )
        record = _record(user_id, staged, found, filename)
        async with self.adding(user_id) as conn:
            await self.check_quota_in(conn, user_id, staged.size_bytes)
            thumbnail_key = await media_rows.insert_media(conn, record, staged.sha256)
        try:
            await self.store.put(staged.sha256, staged.path)
        except BaseException:
            self.janitor.release(record.id)
            raise
        self._taken[record.message_type] += 1
        self._taken_bytes += record.size_bytes
        if found.image_format is not None and thumbnail_key is None:
            return await self._preview(record, staged.sha256, found.image_format)
        return record

    async def find(self, media_id: MediaId) -> StoredMedia:
        """Find a file for a link that was checked.

        Raises:
            MediaNotFound: there is none.
        """
        async with self.database.connection() as conn:
            stored = await media_rows.get_stored(conn, media_id)
        if stored is None or stored.object_key is None:
            raise MediaNotFound
        return stored

    async def thumbnail_key(self, stored: StoredMedia) -> str:
        """Name the preview of a file; makes it if it is late.

        Raises:
            MediaNotFound: it has none, or not yet.
        """
        if stored.thumbnail_key is not None:
            return stored.thumbnail_key
        if not stored.record.has_thumbnail or stored.object_key is None:
            raise MediaNotFound
        self._previews.request(
            stored.record.id, stored.object_key, Format(stored.record.media_type)
        )
        key = await self._previews.wait(stored.record.id, _PREVIEW_WAIT_SECONDS)
        if key is None:
            raise MediaNotFound
        return key

    def statistics(self) -> MediaStatistics:
        """Count what came in and what became of it."""
        return MediaStatistics(
            uploads_open=self._uploads.total(),
            files=dict(self._taken),
            bytes=self._taken_bytes,
            quota_refusals=self._quota_refusals,
            busy_refusals=self._busy_refusals,
            thumbnails_made=self._previews.made,
            thumbnails_failed=self._previews.failed,
            thumbnails_waiting=self._previews.waiting,
            collected=self.janitor.collected,
        )

    def release(self, media_id: MediaId) -> None:
        """Say that something ceased to refer to a file; it goes soon if it was the last."""
        self.janitor.release(media_id)

    async def _preview(
        self, record: MediaRecord, object_key: str, image_format: Format
    ) -> MediaRecord:
        """Wait a moment for the preview, to know whether there will be one."""
        self._previews.request(record.id, object_key, image_format)
        key = await self._previews.wait(record.id, self.limits.thumbnail_wait_seconds)
        if key is not None:
            return record
        async with self.database.connection() as conn:
            stored = await media_rows.get_media(conn, record.id)
        return record if stored is None else stored


def open_depot(settings: Settings, database: Database, now: Callable[[], float]) -> Depot:
    """Build the depot over ``UPLOAD_DIR``, and ``S3_BUCKET`` if there is one.

    ``check`` looks whether it can be used; ``run`` makes it work.

    Raises:
        StoreRefused: S3_BUCKET can't be used as it is configured.
    """
    limits = MediaLimits.from_settings(settings)
    key = settings.secret_key
    secret = secrets.token_urlsafe(32) if key is None else key.get_secret_value()
    signer = LinkSigner(secret, limits.link_window_seconds, now)
    return Depot(
        database,
        _open_store(settings),
        StagingArea(settings.upload_dir / "incoming"),
        signer,
        LinkMaker(signer, settings.public_url),
        limits,
    )


def _open_store(settings: Settings) -> ObjectStore:
    name, access_key, secret_key = (
        settings.s3_bucket,
        settings.s3_access_key,
        settings.s3_secret_key,
    )
    if name is None:
        return LocalStore(settings.upload_dir / "objects")
    if access_key is None or secret_key is None:
        raise StoreRefused("S3_BUCKET needs S3_ACCESS_KEY and S3_SECRET_KEY.")
    try:
        from aeon.media.s3 import Bucket, S3Store
    except ModuleNotFoundError:
        raise StoreRefused("S3_BUCKET needs obstore: pip install -e '.[s3]'") from None
    bucket = Bucket(
        name,
        access_key=access_key.get_secret_value(),
        secret_key=secret_key.get_secret_value(),
        url=settings.s3_url,
        region=settings.s3_region,
    )
    return S3Store(bucket, settings.upload_dir / "incoming")


def new_media_id() -> MediaId:
    """Make an id that can not be guessed."""
    return MediaId(secrets.token_urlsafe(_ID_BYTES))


def _record(
    user_id: UserId, staged: StagedFile, found: Examination, filename: str | None
) -> MediaRecord:
    record = MediaRecord(
        id=new_media_id(),
        uploader_id=user_id,
        message_type=found.kind.value,
        media_type=found.media_type,
        size_bytes=staged.size_bytes,
        duration_seconds=found.duration_seconds,
        width=found.width,
        height=found.height,
        filename=filename,
        has_thumbnail=found.image_format is not None,
    )
    if found.kind is MediaKind.VOICE:
        return replace(record, waveform=found.waveform)
    return record
