"""Makes previews beside the uploads: one at a time, so that a node's memory stays bounded.

An upload's answer waits for its preview for a moment only. A preview that was late, or that a
crash prevented, is made when somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from aeon.media.errors import MediaError
from aeon.media.facts import Unreadable
from aeon.media.images import Thumbnail, make_thumbnail
from aeon.media.kinds import Format
from aeon.media.staging import StagingArea
from aeon.media.store import ObjectMissing, ObjectStore
from storage import media as media_rows
from storage.database import Database
from storage.errors import StorageError
from storage.ids import MediaId

MAX_WAITING: Final = 64
"""Beyond this a preview is made when it is asked for."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    media_id: MediaId
    object_key: str
    image_format: Format
    done: trio.Event = field(default_factory=trio.Event)
    key: str | None = None


class Previews:
    """A queue of previews to make, and the task that makes them."""

    def __init__(self, database: Database, store: ObjectStore, staging: StagingArea) -> None:
        self._database = database
        self._store = store
        self._staging = staging
        self._jobs: dict[MediaId, _Job] = {}
        self._send, self._receive = trio.open_memory_channel[_Job](MAX_WAITING)
        self._thread = trio.CapacityLimiter(1)
        self.made = 0
        self.failed = 0

    async def run(self) -> None:
        """Make previews until cancelled; a file that can not be decoded ends only its own."""
        async for job in self._receive:
            try:
                job.key = await self._make(job)
                self.made += job.key is not None
                self.failed += job.key is None
            except (StorageError, MediaError, OSError):
                self.failed += 1
                _log.exception("preview_failed", media_id=job.media_id)
            finally:
                del self._jobs[job.media_id]
                job.done.set()

    @property
    def waiting(self) -> int:
        """Previews that are queued or being made."""
        return len(self._jobs)

    def request(self, media_id: MediaId, object_key: str, image_format: Format) -> None:
        """Queue a preview; does nothing when it is queued or the queue is full."""
        if media_id in self._jobs:
            return
        job = _Job(media_id, object_key, image_format)
        try:
            self._send.send_nowait(job)
        except trio.WouldBlock:
            return
        self._jobs[media_id] = job

    async def wait(self, media_id: MediaId, seconds: float) -> str | None:
        """Wait for a queued preview; gives its key if it was made in time."""
        job = self._jobs.get(media_id)
        if job is None:
            return None
        with trio.move_on_after(seconds):
            await job.done.wait()
        return job.key

    async def _make(self, job: _Job) -> str | None:
        try:
            thumbnail = await self._decode(job)
        except (Unreadable, ObjectMissing):
            async with self._database.connection() as conn:
                await media_rows.clear_thumbnail(conn, job.media_id)
            return None
        staged = await self._staging.write_small(thumbnail.data)
        try:
            async with self._database.transaction("set_thumbnail") as conn:
                await media_rows.set_thumbnail(conn, job.media_id, staged.sha256, staged.size_bytes)
            await self._store.put(staged.sha256, staged.path)
        finally:
            staged.path.unlink(missing_ok=True)
        return staged.sha256

    async def _decode(self, job: _Job) -> Thumbnail:
        async with self._store.as_file(job.object_key) as path:
            return await trio.to_thread.run_sync(
                make_thumbnail, path, job.image_format, limiter=self._thread
            )
