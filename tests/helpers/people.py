"""People for tests: records, and rows in a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from storage.database import Database
from storage.ids import UserId
from storage.json_rows import dump_ids
from storage.records import UserRecord

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def person(user_id: int) -> UserRecord:
    return UserRecord(
        id=UserId(user_id),
        first_name=f"Person {user_id}",
        last_name=None,
        username=f"person{user_id}",
        language_code="en",
        is_premium=False,
        profile_photo_url=None,
        bio=None,
        is_admin=False,
        created_at=SINCE,
    )


async def add_people(database: Database, ids: Iterable[int]) -> None:
    async with database.connection() as conn:
        await conn.execute(
            "INSERT INTO users (id, first_name, username, created_at)"
            " SELECT id, 'Person ' || id, 'person' || id, '2026-01-01T00:00:00Z'"
            " FROM unnest(%(ids)s::text::bigint[]) AS id",
            {"ids": dump_ids(ids)},
        )
