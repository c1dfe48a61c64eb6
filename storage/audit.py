"""What administrators did: appended, read newest first, never changed.

Entries hold ids and counts, never message text or secrets; whoever appends keeps to that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from storage.database import Connection
from storage.ids import MAX_ID, UserId
from storage.query import Query
from storage.tables import audit


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One deed."""

    id: int
    at: datetime
    actor_id: UserId | None
    """None: whoever held the admin token."""
    action: str
    target: str | None
    data: Mapping[str, object] | None


_columns: Final = (
    audit.c.id,
    audit.c.at,
    audit.c.actor_id,
    audit.c.action,
    audit.c.target,
    audit.c.data,
)

_insert: Final = Query(
    insert(audit)
    .values(
        actor_id=bindparam("actor_id", type_=BigInteger),
        action=bindparam("action", type_=Text),
        target=bindparam("target", type_=Text),
        data=bindparam("data", type_=JSONB),
    )
    .returning(*_columns)
)
_select: Final = Query(
    select(*_columns)
    .where(audit.c.id < bindparam("before_id", type_=BigInteger))
    .order_by(audit.c.id.desc())
    .limit(bindparam("limit", type_=BigInteger))
)


async def append_entry(
    conn: Connection,
    action: str,
    *,
    actor_id: UserId | None = None,
    target: str | None = None,
    data: Mapping[str, object] | None = None,
) -> AuditRecord:
    """Append one deed."""
    row = await conn.fetch_one(
        _insert,
        {
            "actor_id": actor_id,
            "action": action,
            "target": target,
            "data": None if data is None else json.dumps(dict(data)),
        },
    )
    assert row is not None, "an insert gives its row"
    return AuditRecord(*row)


async def list_entries(
    conn: Connection, *, before_id: int | None = None, limit: int = 50
) -> list[AuditRecord]:
    """Read deeds, the newest first, older than ``before_id``."""
    params = {"before_id": MAX_ID if before_id is None else before_id, "limit": limit}
    return [AuditRecord(*row) for row in await conn.fetch_all(_select, params)]
