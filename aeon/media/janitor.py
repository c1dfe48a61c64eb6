"""Collects what nobody refers to: unused uploads, files of deleted messages, stray bytes.

Two ways lead to a file. ``release`` is a hint and collects at once. A slow walk over all rows, a
page a minute, finds the rest: what was never used within a day, and hints that a crash lost.
"""

from __future__ import annotations

from typing import Final

import structlog
import trio

from aeon.media.errors import MediaError
from aeon.media.limits import MediaLimits
from aeon.media.staging import StagingArea
from aeon.media.store import ObjectStore
from storage import media as media_rows
from storage import uploads as upload_rows
from storage.database import Database
from storage.errors import Conflict, StorageError
from storage.ids import MediaId

PAGE_ROWS: Final = 1000
MAX_HINTS: Final = 10_000
"""More are forgotten; the walk finds their files."""

_log = structlog.get_logger(__name__)


class Janitor:
    """One per node; several nodes may sweep the same database."""

    def __init__(
        self, database: Database, store: ObjectStore, staging: StagingArea, limits: MediaLimits
    ) -> None:
        self._database = database
        self._store = store
        self._staging = staging
        self._limits = limits
        self._send, self._receive = trio.open_memory_channel[MediaId](MAX_HINTS)
        self._rows_after = ""
        self._keys_after = ""
        self.collected = 0
        """Files deleted since the start."""

    async def run(self) -> None:
        """Collect until cancelled. What fails is logged and found again by the next walk."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_hints)
            nursery.start_soon(self._walk)

    def release(self, media_id: MediaId) -> None:
        """Hint that a file may be unused now. Never waits."""
        try:
            self._send.send_nowait(media_id)
        except trio.WouldBlock:
            _log.warning("media_hint_dropped", media_id=media_id)

    async def collect(self, media_id: MediaId) -> bool:
        """Delete a file that nothing refers to; False: it is in use, or gone."""
        async with self._database.connection() as conn:
            try:
                keys = await media_rows.delete_unused(conn, media_id)
            except Conflict:
                return False  # A message took it at this very moment.
        if keys is None:
            return False
        self.collected += 1
        for key in keys:
            await self._collect_object(key)
        return True

    async def sweep_page(self) -> int:
        """Look at the next page of rows and of stored contents; gives how many files went."""
        async with self._database.connection() as conn:
            after, unused = await media_rows.unused_after(
                conn, self._rows_after, self._limits.unused_lifetime, PAGE_ROWS
            )
        self._rows_after = after or ""
        collected = 0
        for media_id in unused:
            collected += await self.collect(media_id)
        await self._sweep_uploads()
        await self._sweep_store()
        if collected:
            _log.info("media_collected", files=collected)
        return collected

    async def _follow_hints(self) -> None:
        async for media_id in self._receive:
            try:
                await self.collect(media_id)
            except (StorageError, MediaError, OSError):
                _log.exception("media_collection_failed", media_id=media_id)

    async def _walk(self) -> None:
        while True:
            try:
                await self.sweep_page()
            except (StorageError, MediaError, OSError):
                _log.exception("media_sweep_failed")
            await trio.sleep(self._limits.sweep_seconds)

    async def _sweep_uploads(self) -> None:
        async with self._database.connection() as conn:
            expired = await upload_rows.delete_expired(conn, PAGE_ROWS)
        for upload_id in expired:
            await self._staging.discard(upload_id)
        await self._staging.remove_stale(2 * self._limits.upload_lifetime.total_seconds())

    async def _sweep_store(self) -> None:
        """Remove contents that no file refers to.

        A restored backup may leave them without a row, a store that was away with one.
        """
        keys = await self._store.keys(self._keys_after, PAGE_ROWS)
        self._keys_after = keys[-1] if len(keys) == PAGE_ROWS else ""
        if not keys:
            return
        async with self._database.connection() as conn:
            known = await media_rows.known_objects(conn, keys)
        for key in keys:
            if key not in known:
                await self._collect_stray(key)

    async def _collect_object(self, key: str) -> None:
        try:
            async with self._database.transaction("delete_object") as conn:
                if await media_rows.delete_object(conn, key):
                    await self._store.delete(key)
        except Conflict:
            pass  # An upload of the same content took it.

    async def _collect_stray(self, key: str) -> None:
        """Take the row's lock first: an upload may be about to store this very content."""
        async with self._database.transaction("delete_stray_object") as conn:
            await media_rows.lock_object(conn, key, 0)
            if await media_rows.delete_object(conn, key):
                await self._store.delete(key)
