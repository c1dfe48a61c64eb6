"""What arrivals and the sweep read from PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from actors.cluster.sweep import JOIN_OVERLAP
from storage import positions
from storage.database import Database
from storage.ids import ChatId, Seq, UserId
from storage.positions import Joined


class DatabaseRecord:
    """The real ``Positions`` and ``Record``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, user_ids: Collection[UserId]
    ) -> Mapping[UserId, Sequence[tuple[ChatId, Seq]]]:
        """See ``Positions``."""
        async with self._database.connection() as conn:
            return await positions.positions_of(conn, user_ids)

    async def now(self) -> datetime:
        """See ``Record``."""
        async with self._database.connection() as conn:
            return await positions.database_now(conn)

    async def newer(self, known: Sequence[tuple[ChatId, Seq]]) -> list[tuple[ChatId, Seq]]:
        """See ``Record``."""
        async with self._database.connection() as conn:
            return await positions.find_newer(conn, known)

    async def joined(self, user_ids: Collection[UserId], since: datetime) -> list[Joined]:
        """See ``Record``."""
        async with self._database.connection() as conn:
            return await positions.joined_since(conn, user_ids, since, overlap=JOIN_OVERLAP)
