"""Rows of stored files: what people uploaded (``media``) and the bytes behind it (``objects``).

Equal contents share one object. An object's row is written, and locked, before its bytes are
stored, and is deleted only together with them: so an upload and the janitor that meet over the
same content wait for each other, and neither leaves a row without bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import orjson
from sqlalchemy import BigInteger, Text, bindparam, func, select

from storage.database import Connection
from storage.ids import MediaId, UserId
from storage.mapping import MEDIA_WIDTH, media_columns, media_from
from storage.query import Query
from storage.records import MediaRecord
from storage.tables import media, messages

_id: Final = bindparam("id", type_=Text)

_LOCK_OBJECT: Final = Query(
    "INSERT INTO objects (key, size_bytes) VALUES (%(key)s, %(size_bytes)s)"
    # Not DO NOTHING: this waits for whoever deletes it, and keeps the row until COMMIT.
    " ON CONFLICT (key) DO UPDATE"
    " SET size_bytes = greatest(objects.size_bytes, excluded.size_bytes)"
)
_INSERT: Final = Query(
    "INSERT INTO media (id, uploader_id, message_type, media_type, size_bytes, duration_seconds,"
    " width, height, filename, object_key, thumbnail_key, has_thumbnail, waveform)"
    " VALUES (%(id)s, %(uploader_id)s, %(message_type)s, %(media_type)s, %(size_bytes)s,"
    " %(duration_seconds)s, %(width)s, %(height)s, %(filename)s, CAST(%(object_key)s AS varchar),"
    # OFFSET 0, here and below: the rest is a filter on what the index found, nothing to begin with.
    " (SELECT twin.thumbnail_key FROM (SELECT thumbnail_key FROM media"
    "   WHERE object_key = CAST(%(object_key)s AS varchar)"
    "   AND CAST(%(has_thumbnail)s AS boolean) OFFSET 0) AS twin"
    "  WHERE twin.thumbnail_key IS NOT NULL LIMIT 1),"
    " CAST(%(has_thumbnail)s AS boolean), CAST(%(waveform)s AS JSONB))"
    " RETURNING thumbnail_key"
)
_SELECT: Final = Query(
    select(*media_columns(), media.c.object_key, media.c.thumbnail_key).where(media.c.id == _id)
)
_LOCK_UPLOADER: Final = Query("SELECT FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE")
_STORED_BYTES: Final = Query(
    select(func.coalesce(func.sum(media.c.size_bytes), 0)).where(
        media.c.uploader_id == bindparam("user_id", type_=BigInteger)
    )
)
_SET_THUMBNAIL: Final = Query("UPDATE media SET thumbnail_key = %(key)s WHERE id = %(id)s")
_CLEAR_THUMBNAIL: Final = Query("UPDATE media SET has_thumbnail = false WHERE id = %(id)s")
# By the message alone: beside "is not null" the index of all files in messages looks as good.
_OF_MESSAGE: Final = Query(
    select(messages.c.media_id).where(messages.c.id == bindparam("message_id", type_=BigInteger))
)

_UNUSED: Final = (
    " NOT EXISTS (SELECT FROM messages WHERE messages.media_id = media.id OFFSET 0)"
    " AND NOT EXISTS (SELECT FROM chats WHERE chats.photo_url = 'media:' || media.id"
    "  AND chats.photo_url LIKE 'media:%%' OFFSET 0)"
)
_DELETE_UNUSED: Final = Query(
    "DELETE FROM media WHERE id = %(id)s AND" + _UNUSED + " RETURNING object_key, thumbnail_key"
)
_NEXT_PAGE: Final = Query(
    "WITH page AS (SELECT * FROM media WHERE id > %(after)s ORDER BY id LIMIT %(limit)s)"
    " SELECT (SELECT CASE WHEN count(*) = %(limit)s THEN max(id) END FROM page),"
    " ARRAY(SELECT media.id::text FROM page AS media"
    "  WHERE media.created_at < now() - make_interval(secs => %(min_age_seconds)s) AND"
    + _UNUSED
    + ")"
)
_DELETE_OBJECT: Final = Query(
    "DELETE FROM objects WHERE key = %(key)s"
    " AND NOT EXISTS (SELECT FROM media WHERE object_key = %(key)s)"
    " AND NOT EXISTS (SELECT FROM media WHERE thumbnail_key = %(key)s)"
)
_KNOWN_OBJECTS: Final = Query(
    "SELECT key FROM objects WHERE key = ANY (CAST(%(keys)s AS text[]))"
    " AND (EXISTS (SELECT FROM media WHERE media.object_key = objects.key OFFSET 0)"
    "  OR EXISTS (SELECT FROM media WHERE media.thumbnail_key = objects.key OFFSET 0))"
)


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file's row with the names of its bytes."""

    record: MediaRecord
    object_key: str | None
    thumbnail_key: str | None


async def insert_media(
    conn: Connection, record: MediaRecord, object_key: str | None = None
) -> str | None:
    """Note a file that is about to be stored; needs a transaction when it has an object.

    Gives the key of the preview that an equal file already has.

    Raises:
        storage.errors.Conflict: the id is taken, or there is no such uploader.
    """
    if object_key is not None:
        await lock_object(conn, object_key, record.size_bytes)
    row = await conn.fetch_one(
        _INSERT,
        {
            "id": record.id,
            "uploader_id": record.uploader_id,
            "message_type": record.message_type,
            "media_type": record.media_type,
            "size_bytes": record.size_bytes,
            "duration_seconds": record.duration_seconds,
            "width": record.width,
            "height": record.height,
            "filename": record.filename,
            "object_key": object_key,
            "has_thumbnail": record.has_thumbnail,
            "waveform": (
                None if record.waveform is None else orjson.dumps(list(record.waveform)).decode()
            ),
        },
    )
    assert row is not None, "RETURNING gives the row"
    thumbnail_key: str | None = row[0]
    return thumbnail_key


async def lock_uploader(conn: Connection, user_id: UserId) -> None:
    """Let nobody else add to a person's files until COMMIT: what they sum up to is true then."""
    await conn.execute(_LOCK_UPLOADER, {"user_id": user_id})


async def lock_object(conn: Connection, key: str, size_bytes: int) -> None:
    """Note a content, and hold its row until COMMIT."""
    await conn.execute(_LOCK_OBJECT, {"key": key, "size_bytes": size_bytes})


async def set_thumbnail(conn: Connection, media_id: MediaId, key: str, size_bytes: int) -> None:
    """Note a preview that is about to be stored; needs a transaction."""
    await lock_object(conn, key, size_bytes)
    await conn.execute(_SET_THUMBNAIL, {"id": media_id, "key": key})


async def clear_thumbnail(conn: Connection, media_id: MediaId) -> None:
    """Note that no preview can be made."""
    await conn.execute(_CLEAR_THUMBNAIL, {"id": media_id})


async def get_media(conn: Connection, media_id: MediaId) -> MediaRecord | None:
    """Read a file's row. Not access checked: for its uploader or behind a signed link."""
    stored = await get_stored(conn, media_id)
    return None if stored is None else stored.record


async def get_stored(conn: Connection, media_id: MediaId) -> StoredMedia | None:
    """Read a file's row with its keys. Not access checked: for use behind a signed link."""
    row = await conn.fetch_one(_SELECT, {"id": media_id})
    record = None if row is None else media_from(row)
    if row is None or record is None:
        return None
    object_key, thumbnail_key = row[MEDIA_WIDTH:]
    return StoredMedia(record=record, object_key=object_key, thumbnail_key=thumbnail_key)


async def media_of_message(conn: Connection, message_id: int) -> MediaId | None:
    """Name the file that a message carries."""
    row = await conn.fetch_one(_OF_MESSAGE, {"message_id": message_id})
    return None if row is None or row[0] is None else MediaId(row[0])


async def stored_bytes(conn: Connection, user_id: UserId) -> int:
    """Add up the sizes of a person's files."""
    row = await conn.fetch_one(_STORED_BYTES, {"user_id": user_id})
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def delete_unused(conn: Connection, media_id: MediaId) -> tuple[str, ...] | None:
    """Delete a file's row unless a message or a chat refers to it; gives the keys it named.

    None: it is in use, or gone.

    Raises:
        storage.errors.Conflict: a message took it at the same moment.
    """
    row = await conn.fetch_one(_DELETE_UNUSED, {"id": media_id})
    return None if row is None else tuple(key for key in row if key is not None)


async def unused_after(
    conn: Connection, after: str, min_age: timedelta, limit: int
) -> tuple[str | None, Sequence[MediaId]]:
    """Walk over all files by id: look at the ``limit`` next after one.

    Gives where to go on (None at the end) and those that are older than ``min_age`` and that
    nothing refers to.
    """
    row = await conn.fetch_one(
        _NEXT_PAGE,
        {"after": after, "limit": limit, "min_age_seconds": min_age.total_seconds()},
    )
    assert row is not None, "a query without FROM has one row"
    return row[0], row[1]


async def delete_object(conn: Connection, key: str) -> bool:
    """Delete a content's row unless a file names it; its bytes go before COMMIT.

    Raises:
        storage.errors.Conflict: an upload took it at the same moment.
    """
    return await conn.execute(_DELETE_OBJECT, {"key": key}) > 0


async def known_objects(conn: Connection, keys: Sequence[str]) -> frozenset[str]:
    """Tell which of these contents a file refers to."""
    rows = await conn.fetch_all(_KNOWN_OBJECTS, {"keys": f"{{{','.join(keys)}}}"})
    return frozenset(row[0] for row in rows)
