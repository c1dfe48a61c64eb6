"""Rows of uploads that can be resumed. Their bytes wait in the staging area."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage.database import Connection
from storage.ids import MediaId, UserId
from storage.query import Query

_COLUMNS: Final = (
    "id, user_id, size_bytes, received_bytes, filename, is_voice, media_id, expires_at"
)
_INSERT: Final = Query(
    "INSERT INTO uploads (id, user_id, size_bytes, filename, is_voice, expires_at)"
    " SELECT %(id)s, %(user_id)s, %(size_bytes)s, %(filename)s, %(is_voice)s,"
    " now() + make_interval(secs => %(lifetime_seconds)s)"
    " WHERE (SELECT count(*) FROM uploads WHERE user_id = %(user_id)s AND media_id IS NULL"
    "  AND expires_at > now()) < %(max_unfinished)s"
    f" RETURNING {_COLUMNS}"
)
_ANNOUNCED_BYTES: Final = Query(
    "SELECT coalesce(sum(size_bytes), 0)::bigint FROM uploads"
    " WHERE user_id = %(user_id)s AND media_id IS NULL AND expires_at > now()"
)
_SELECT: Final = Query(
    f"SELECT {_COLUMNS} FROM uploads"
    " WHERE id = %(id)s AND user_id = %(user_id)s AND expires_at > now()"
)
_ADVANCE: Final = Query(
    "UPDATE uploads SET received_bytes = %(received_bytes)s,"
    " expires_at = now() + make_interval(secs => %(lifetime_seconds)s)"
    " WHERE id = %(id)s AND received_bytes = %(expected_bytes)s RETURNING expires_at"
)
_FINISH: Final = Query("UPDATE uploads SET media_id = %(media_id)s WHERE id = %(id)s")
_DELETE: Final = Query("DELETE FROM uploads WHERE id = %(id)s AND user_id = %(user_id)s")
# As ``sessions`` does it.
_DELETE_EXPIRED: Final = Query(
    "DELETE FROM uploads WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM uploads WHERE expires_at BETWEEN '-infinity' AND now()"
    " LIMIT %(limit)s FOR UPDATE SKIP LOCKED)) RETURNING id"
)


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload that comes in pieces."""

    id: str
    user_id: UserId
    size_bytes: int
    received_bytes: int
    """This many bytes are on disk; what lies behind them was not confirmed."""
    filename: str | None
    is_voice: bool
    media_id: MediaId | None
    expires_at: datetime


async def insert_upload(
    conn: Connection,
    *,
    upload_id: str,
    user_id: UserId,
    size_bytes: int,
    filename: str | None,
    is_voice: bool,
    lifetime: timedelta,
    max_unfinished: int,
) -> UploadRecord | None:
    """Note a new upload; None when the person has too many unfinished ones."""
    row = await conn.fetch_one(
        _INSERT,
        {
            "id": upload_id,
            "user_id": user_id,
            "size_bytes": size_bytes,
            "filename": filename,
            "is_voice": is_voice,
            "lifetime_seconds": lifetime.total_seconds(),
            "max_unfinished": max_unfinished,
        },
    )
    return None if row is None else UploadRecord(*row)


async def announced_bytes(conn: Connection, user_id: UserId) -> int:
    """Sum up what a person has announced and not finished."""
    row = await conn.fetch_one(_ANNOUNCED_BYTES, {"user_id": user_id})
    assert row is not None, "an aggregate gives a row"
    return int(row[0])


async def get_upload(conn: Connection, upload_id: str, user_id: UserId) -> UploadRecord | None:
    """Read a person's own upload that has not expired."""
    row = await conn.fetch_one(_SELECT, {"id": upload_id, "user_id": user_id})
    return None if row is None else UploadRecord(*row)


async def advance(
    conn: Connection, upload_id: str, expected_bytes: int, received_bytes: int, lifetime: timedelta
) -> datetime | None:
    """Note how far it has come, which renews its life; gives its new end.

    None: it is gone, or stands elsewhere than expected.
    """
    row = await conn.fetch_one(
        _ADVANCE,
        {
            "id": upload_id,
            "expected_bytes": expected_bytes,
            "received_bytes": received_bytes,
            "lifetime_seconds": lifetime.total_seconds(),
        },
    )
    return None if row is None else row[0]


async def finish(conn: Connection, upload_id: str, media_id: MediaId) -> None:
    """Note the file that it became."""
    await conn.execute(_FINISH, {"id": upload_id, "media_id": media_id})


async def delete_upload(conn: Connection, upload_id: str, user_id: UserId) -> bool:
    """Forget a person's own upload."""
    return await conn.execute(_DELETE, {"id": upload_id, "user_id": user_id}) > 0


async def delete_expired(conn: Connection, limit: int) -> list[str]:
    """Forget uploads whose time is over; gives their ids."""
    return [row[0] for row in await conn.fetch_all(_DELETE_EXPIRED, {"limit": limit})]
