"""Which deployment this database belongs to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from storage.database import Connection
from storage.query import Query
from storage.tables import deployment

_select_id: Final = Query(select(deployment.c.id))


async def deployment_id(conn: Connection) -> str:
    """Read the id that all nodes on this database share; made with the schema, never changed.

    A copy of the database has the same one: give the copy a REDIS_PREFIX of its own.
    """
    row = await conn.fetch_one(_select_id)
    assert row is not None, "the migration wrote the row"
    return str(row[0])
