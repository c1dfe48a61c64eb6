"""Rows of stored files. The bytes live elsewhere; who may see them is decided here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, exists, insert, or_, select

from storage.database import Connection
from storage.ids import MediaId, UserId
from storage.mapping import media_columns, media_from
from storage.query import Query
from storage.records import MediaRecord
from storage.tables import media, members, messages

_id: Final = bindparam("id", type_=Text)
_user_id: Final = bindparam("user_id", type_=BigInteger)

_insert: Final = Query(
    insert(media).values(
        {
            column.name: bindparam(column.name, type_=column.type)
            for column in media.c
            if column.name != "created_at"
        }
    )
)
_select: Final = Query(select(*media_columns()).where(media.c.id == _id))
_select_for: Final = Query(
    select(*media_columns()).where(
        media.c.id == _id,
        or_(
            media.c.uploader_id == _user_id,
            exists()
            .where(messages.c.media_id == media.c.id)
            .where(members.c.chat_id == messages.c.chat_id, members.c.user_id == _user_id),
        ),
    )
)


async def insert_media(conn: Connection, record: MediaRecord) -> None:
    """Note a file that was stored.

    Raises:
        storage.errors.Conflict: the id is taken, or there is no such uploader.
    """
    await conn.execute(_insert, asdict(record))


async def get_media(conn: Connection, media_id: MediaId) -> MediaRecord | None:
    """Read a file's row. Not access checked: for its uploader or behind a signed address."""
    row = await conn.fetch_one(_select, {"id": media_id})
    return None if row is None else media_from(row)


async def get_media_for(
    conn: Connection, media_id: MediaId, viewer_id: UserId
) -> MediaRecord | None:
    """Read a file's row; None unless the viewer uploaded it or is in a chat that shows it."""
    row = await conn.fetch_one(_select_for, {"id": media_id, "user_id": viewer_id})
    return None if row is None else media_from(row)
