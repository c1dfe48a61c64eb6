"""Reading the audit trail: from the database, or what this node remembers while that is away."""

from __future__ import annotations

from typing import Final

import trio

from aeon.admin.models import AuditAnswer, AuditRow
from aeon.admin.node import node_name
from aeon.admin.trail import Use
from aeon.services import Services
from storage import audit
from storage.audit import AuditRecord
from storage.errors import StorageError

FLUSH_SECONDS: Final = 0.5
READ_SECONDS: Final = 3.0


async def read(services: Services, limit: int) -> AuditAnswer:
    """Give the newest entries; waits a moment for those of this node that are on their way."""
    entries = None
    if await services.audit.flush(FLUSH_SECONDS):
        entries = await _read(services, limit)
    if entries is not None:
        return AuditAnswer(node=node_name(), is_complete=True, entries=entries)
    remembered = [_remembered(use) for use in services.audit.recent()[:limit]]
    return AuditAnswer(node=node_name(), is_complete=False, entries=remembered)


async def _read(services: Services, limit: int) -> list[AuditRow] | None:
    """Read what is stored; None when the database is away."""
    with trio.move_on_after(READ_SECONDS):
        try:
            async with services.database.connection() as conn:
                return [_stored(one) for one in await audit.list_entries(conn, limit=limit)]
        except StorageError:
            return None
    return None


def _stored(record: AuditRecord) -> AuditRow:
    data = record.data or {}
    who = "token" if record.actor_id is None else f"user:{record.actor_id}"
    request_id, repeats = data.get("request_id"), data.get("repeats")
    return AuditRow(
        at=record.at,
        who=str(data.get("who", who)),
        action=record.action,
        target=record.target,
        outcome=str(data.get("outcome", "ok")),
        request_id=request_id if isinstance(request_id, str) else None,
        repeats=repeats if isinstance(repeats, int) else 0,
    )


def _remembered(use: Use) -> AuditRow:
    return AuditRow(
        at=use.at,
        who=use.who,
        action=use.action,
        target=use.target,
        outcome=use.outcome,
        request_id=use.request_id,
        repeats=use.repeats,
    )
