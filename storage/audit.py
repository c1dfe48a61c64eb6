"""What administrators did: appended, read newest first, never changed.

Entries hold ids and counts, never message text or secrets; whoever appends keeps to that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    DateTime,
    Interval,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.database import Connection
from storage.ids import MAX_ID, UserId
from storage.json_rows import dump_rows, json_rows
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


@dataclass(frozen=True, slots=True)
class NewAuditEntry:
    """A deed on its way into the table."""

    at: datetime
    actor_id: UserId | None
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
_new: Final = json_rows(
    "entries",
    at=DateTime(timezone=True),
    actor_id=BigInteger,
    action=Text,
    target=Text,
    data=JSONB,
)
_insert_many: Final = Query(
    insert(audit).from_select(
        [column.name for column in _new.c], select(*_new.c), include_defaults=False
    )
)
# Ids and times rise together, so the oldest are found by the primary key.
_oldest: Final = (
    select(audit.c.id, audit.c.at).order_by(audit.c.id).limit(literal_column("1000"))
).subquery("oldest")
_gone: Final = (
    select(func.min(_oldest.c.id).label("first_id"), func.max(_oldest.c.id).label("last_id"))
    .where(
        or_(
            _oldest.c.at < func.now() - bindparam("max_age", type_=Interval),
            _oldest.c.id
            <= select(func.max(audit.c.id)).scalar_subquery()
            - bindparam("max_entries", type_=BigInteger),
        )
    )
    .cte("gone")
)
# Both ends: with one, PostgreSQL expects a third of the table and reads all of it.
_delete_old: Final = Query(
    delete(audit).where(
        audit.c.id.between(
            select(_gone.c.first_id).scalar_subquery(), select(_gone.c.last_id).scalar_subquery()
        )
    )
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


async def append_entries(conn: Connection, entries: Sequence[NewAuditEntry]) -> None:
    """Append deeds in one statement, in order."""
    rows = [
        {
            "at": entry.at.isoformat(),
            "actor_id": entry.actor_id,
            "action": entry.action,
            "target": entry.target,
            "data": entry.data,
        }
        for entry in entries
    ]
    await conn.execute(_insert_many, {"entries": dump_rows(rows)})


async def delete_old(conn: Connection, *, max_age: timedelta, max_entries: int) -> int:
    """Delete up to 1000 entries that are too old or too many; how many. Call again until 0."""
    return await conn.execute(_delete_old, {"max_age": max_age, "max_entries": max_entries})


async def list_entries(
    conn: Connection, *, before_id: int | None = None, limit: int = 50
) -> list[AuditRecord]:
    """Read deeds, the newest first, older than ``before_id``."""
    params = {"before_id": MAX_ID if before_id is None else before_id, "limit": limit}
    return [AuditRecord(*row) for row in await conn.fetch_all(_select, params)]
